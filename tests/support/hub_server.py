"""A tiny hub on loopback: repositories of files at pinned commits, as `huggingface_hub` and `datasets` ask
for them."""

import hashlib
import json
import re
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.loopback import Handler, Loopback

COMMIT = re.compile(r"[0-9a-f]{40}")


class Hub(Loopback):
    """Starts at once; a context manager. `repos`: (models or datasets, id) -> {path:
    content}, all at `commit`.

    `requests` remembers what was asked, in order; a revision other than `commit` and main is not found.
    """

    def __init__(self, repos: dict[tuple[str, str], dict[str, bytes]], commit: str):
        self.repos, self.commit = repos, commit
        self.requests: list[str] = []
        super().__init__(_handler(self), path="")

    def api(self, kind: str, repo: str, what: str, rest: str, asked: dict[str, list[str]]) -> object | None:
        """The JSON of an API call, None where there is no such thing. `asked`: its query and its form."""
        files = self.repos[kind, repo]
        revision, _, folder = rest.partition("/")
        if revision not in ("", "main", self.commit):
            return None
        listing = [_entry(path, files[path]) for path in sorted(files)]
        if what == "tree":
            start = f"{folder}/" if folder else ""
            inside = [each for each in listing if each["path"].startswith(start)]
            if asked.get("recursive", ["false"])[0].lower() == "true":
                return inside or None
            folders = {start + each["path"][len(start) :].split("/")[0] for each in inside} - set(files)
            return (
                _folders(folders) + [each for each in inside if "/" not in each["path"][len(start) :]] or None
            )
        if what == "paths-info":
            paths = asked.get("paths", [])
            folders = {path for path in paths if any(each.startswith(f"{path}/") for each in files)}
            return _folders(folders) + [each for each in listing if each["path"] in paths]
        siblings = [{"rfilename": path} for path in sorted(files)]
        head = {
            "_id": "0",
            "id": repo,
            "sha": self.commit,
            "private": False,
            "gated": False,
            "disabled": False,
        }
        return head | {"siblings": siblings, "tags": [], "downloads": 0, "likes": 0, "cardData": {}}


def _entry(path: str, content: bytes) -> dict:
    oid = hashlib.sha1(content).hexdigest()
    return {"type": "file", "path": path, "oid": oid, "size": len(content)}


def _folders(paths: set[str]) -> list[dict]:
    return [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(paths)]


def _handler(hub: Hub) -> type[Handler]:
    class Answering(Handler):
        def do_GET(self) -> None:
            self._answer()

        do_HEAD = do_POST = do_GET

        def _answer(self) -> None:
            body = self.content().decode()
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(f"{self.command} {path}")
            found = re.fullmatch(
                r"/api/(models|datasets)/([^/]+/[^/]+?)(?:/(revision|tree|paths-info)/(.*))?", path
            )
            if found and (found[1], found[2]) in hub.repos:
                kind, repo, what, rest = found.groups()
                answer = hub.api(
                    kind, repo, what or "", rest or "", parse_qs(urlsplit(self.path).query) | _form(body)
                )
                if answer is not None:
                    return self.send(200, answer)
            found = re.fullmatch(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            files = hub.repos.get((found[1] or "models", found[2])) if found else None
            if files and found[3] in ("main", hub.commit) and found[4] in files:
                content = files[found[4]]
                tag = hashlib.sha1(content).hexdigest()
                return self.send(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": hub.commit})
            code = "EntryNotFound" if files and found[3] == hub.commit else "RevisionNotFound"
            return self.send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    return Answering


def _form(body: str) -> dict[str, list[str]]:
    """A request's body, a form or JSON."""
    return json.loads(body) if body.startswith("{") else parse_qs(body)
