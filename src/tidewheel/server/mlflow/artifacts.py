"""MLflow's addresses of artifacts: the proxy, multipart uploads, and files of runs and registered versions.

Uploads and downloads are streamed in pieces of a MiB; each piece is written or read in a thread.
"""

from __future__ import annotations

import ntpath
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from tidewheel.server.mlflow.artifact_files import Download, safe_path
from tidewheel.server.mlflow.errors import MLflowError, invalid
from tidewheel.server.mlflow.protocol import CALLS, Empty, call, missing, stream
from tidewheel.tracking.artifact_paths import join_path
from tidewheel.tracking.artifact_uris import require_path
from tidewheel.tracking.artifacts import VERSIONS, ArtifactWriter
from tidewheel.tracking.multipart import PartWriter
from tidewheel.tracking.records import FileInfo

if TYPE_CHECKING:
    from tidewheel.app import Platform

_PROXY = "/mlflow-artifacts"
_PIECE_BYTES = 1 << 20
_MAX_PAGE_UPLOAD_BYTES = 10 * 2**20


class Folder(msgspec.Struct):
    path: str = ""


class RunFolder(msgspec.Struct):
    run_id: str = ""
    run_uuid: str = ""
    path: str = ""


class MultipartCreation(msgspec.Struct):
    folder: str = ""
    path: str = ""
    num_parts: int = 1


class UploadedPart(msgspec.Struct):
    part_number: int
    etag: str | None = None


class MultipartCompletion(msgspec.Struct):
    folder: str = ""
    path: str = ""
    upload_id: str = ""
    parts: list[UploadedPart] = []


class MultipartAbortion(msgspec.Struct):
    folder: str = ""
    path: str = ""
    upload_id: str = ""


@stream("GET", "/artifacts/{path:path}")
async def download(platform: Platform, request: Request) -> Any:
    return await _download(platform, request, safe_path(request.path_params["path"]))


@stream("PUT", "/artifacts/{path:path}")
async def upload(platform: Platform, request: Request) -> Response:
    path = safe_path(request.path_params["path"])
    with await run_in_threadpool(platform.artifacts.writer, path) as writer:
        if await _receive(request, writer):
            await run_in_threadpool(writer.commit)
    return JSONResponse({})


@call("GET", "/artifacts", root=_PROXY)
def list_folder(platform: Platform, sent: Folder) -> dict[str, Any]:
    listing = platform.artifacts.list(safe_path(sent.path, may_be_empty=True))
    return {"files": [file_json(file, file.path.rpartition("/")[2]) for file in listing]}


@call("DELETE", "/artifacts/{path:path}", root=_PROXY)
def delete(platform: Platform, sent: Folder) -> None:
    platform.artifacts.delete(safe_path(sent.path))


@stream("POST", "/mpu/create/{folder:path}")
async def create_multipart(platform: Platform, request: Request) -> Response:
    try:
        sent = msgspec.json.decode(await request.body() or b"{}", type=MultipartCreation, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"{error}.") from None
    path = _multipart_path(request.path_params["folder"], sent.path)
    begun = await run_in_threadpool(platform.uploads.create, path, sent.num_parts)
    token = request.headers.get("authorization")  # the client sends parts without its own headers
    base = str(request.base_url).rstrip("/")
    credentials = [
        {
            "url": f"{base}/api/2.0{_PROXY}/mpu/part/{begun.id}/{number}",
            "part_number": number,
            "headers": {"Authorization": token} if token else {},
        }
        for number in range(1, begun.parts + 1)
    ]
    return JSONResponse({"upload_id": begun.id, "credentials": credentials})


@stream("PUT", "/mpu/part/{upload_id}/{number}")
async def upload_part(platform: Platform, request: Request) -> Response:
    number = request.path_params["number"]
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise invalid(f"{number[:20]!r} is not a part's number.")
    etag = ""
    with await run_in_threadpool(platform.uploads.part_writer, request.path_params["upload_id"], int(number)) as writer:
        if await _receive(request, writer):
            etag = (await run_in_threadpool(writer.commit)).digest
    return JSONResponse({}, headers={"ETag": f'"{etag}"'})


@call("POST", "/mpu/complete/{folder:path}", required=("path", "parts"), root=_PROXY)
def complete_multipart(platform: Platform, sent: MultipartCompletion) -> None:
    etags = [(part.part_number, part.etag or "") for part in sent.parts]
    platform.uploads.complete(sent.upload_id, _multipart_path(sent.folder, sent.path), etags)


@call("POST", "/mpu/abort/{folder:path}", required=("path",), root=_PROXY)
def abort_multipart(platform: Platform, sent: MultipartAbortion) -> None:
    platform.uploads.abort(sent.upload_id, _multipart_path(sent.folder, sent.path))


@call("GET", "/presigned/{path:path}", root=_PROXY)
def presigned(_platform: Platform, _sent: Empty) -> None:
    raise MLflowError(
        "NOT_IMPLEMENTED", "Multipart download is not supported for the current artifact repository; it is proxied."
    )


@call("POST", "/artifacts/presigned-upload-url")
@call("POST", "/artifacts/presigned-download-url")
def presigned_url(_platform: Platform, _sent: Empty) -> None:
    raise invalid(
        "Presigned addresses are not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts). "
        "This endpoint requires a direct cloud storage artifact URI."
    )


@call("GET", "/artifacts/list")
def list_run(platform: Platform, sent: RunFolder) -> dict[str, Any]:
    run_id = sent.run_id or sent.run_uuid
    if not run_id:
        raise missing("run_id")
    return listing_json(platform, platform.tracking.run(run_id).artifact_uri, sent.path)


@stream("GET", "/get-artifact", root="/mlflow")
async def download_of_run(platform: Platform, request: Request) -> Any:
    query = request.query_params
    run_id, path = query.get("run_id") or query.get("run_uuid") or "", safe_path(query.get("path", ""))
    run = await run_in_threadpool(platform.tracking.run, run_id)
    return await download_below(platform, request, run.artifact_uri, path)


@stream("GET", "/model-versions/get-artifact", root="/mlflow")
async def download_of_version(platform: Platform, request: Request) -> Any:
    query = request.query_params
    number = query.get("version", "")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise invalid("Model version must be an integer.")
    path = safe_path(query.get("path", ""))
    version = await run_in_threadpool(platform.registry.numbered, query.get("name", ""), int(number))
    return await _download(platform, request, join_path(VERSIONS, version.id, path))


@stream("POST", "/upload-artifact", root="/mlflow")
async def upload_to_run(platform: Platform, request: Request) -> Response:
    query = request.query_params
    for name in ("run_uuid", "path"):
        if not query.get(name):
            raise invalid(f"Request must specify {name}.")
    path = safe_path(query["path"])
    sent = await request.body()
    if not sent:
        raise invalid("Request must specify data.")
    if len(sent) > _MAX_PAGE_UPLOAD_BYTES:
        raise invalid("Artifact size is too large. Max size is 10MB.")
    run = await run_in_threadpool(platform.tracking.run, query["run_uuid"])
    await run_in_threadpool(platform.artifacts.put, join_path(require_path(run.artifact_uri), path), sent)
    return Response(media_type="application/json")


for _address in ("/get-artifact", "/model-versions/get-artifact"):  # MLflow's page asks for them without a prefix
    CALLS[("GET", _address)] = CALLS[("GET", f"/api/2.0/mlflow{_address}")]


async def download_below(platform: Platform, request: Request, root_uri: str, path: str) -> Any:
    """A file below the artifact address of a run or a model."""
    return await _download(platform, request, join_path(require_path(root_uri), safe_path(path)))


def listing_json(platform: Platform, root_uri: str, path: str) -> dict[str, Any]:
    """A folder below the artifact address of a run or a model, one level of it."""
    root, path = require_path(root_uri), safe_path(path, may_be_empty=True)
    listing = platform.artifacts.list(join_path(root, path))
    return {"root_uri": root_uri, "files": [file_json(file, file.path.removeprefix(f"{root}/")) for file in listing]}


def file_json(file: FileInfo, path: str) -> dict[str, Any]:
    """A file or folder as MLflow writes it."""
    size = {} if file.size_bytes is None else {"file_size": file.size_bytes}
    return {"path": path, "is_dir": file.is_dir, **size}


async def _download(platform: Platform, request: Request, path: str) -> Any:
    return Download(request, await run_in_threadpool(platform.artifacts.open, path))


async def _receive(request: Request, writer: ArtifactWriter | PartWriter) -> bool:
    """Write the body as it comes; false if the client went away before its end."""
    gathered = bytearray()
    try:
        async for piece in request.stream():
            gathered += piece
            if len(gathered) >= _PIECE_BYTES:
                await run_in_threadpool(writer.write, bytes(gathered))
                gathered.clear()
    except ClientDisconnect:
        return False
    await run_in_threadpool(writer.write, bytes(gathered))
    return True


def _multipart_path(folder: str, file: str) -> str:
    return join_path(safe_path(folder, may_be_empty=True), safe_path(ntpath.basename(file)))
