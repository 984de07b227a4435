"""A W&B server on the loopback that keeps what it is sent, and offline runs read as W&B writes them."""

import base64
import gzip
import json
import re
import struct
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from google.protobuf.message import DecodeError

KEY = "0" * 40
ENTITY = "me"
BLOCK = 32768


class Server:
    """What the server has; `broken` names runs whose data it refuses, `down` whether it refuses everything."""

    def __init__(self):
        self.projects, self.runs, self.views, self.asked = set(), {}, {}, []
        self.broken, self.down = set(), False
        # Of each sweep its configuration, and of each of its runs to come the id and the parameters.
        self.sweeps, self.to_come = {}, []
        self.lock = threading.Lock()

    def of_type(self, kind):
        return [view for view in self.views.values() if view["type"] == kind]

    def workspace(self):
        (view,) = self.of_type("project-view")
        return view

    def report(self):
        (view,) = self.of_type("runs")
        return view

    # ---------------------------------------------------------------- what GraphQL asks for

    def answer(self, operation, given):
        found = getattr(self, f"_{operation}", None)
        return None if found is None else found(given)

    def _Viewer(self, given):  # noqa: N802
        user = {"id": "u", "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": {"edges": []}}
        return {"viewer": user}

    _GetDefaultEntity = _Viewer

    def _ServerInfo(self, given):  # noqa: N802
        return {"serverInfo": {}}

    def _RunResumeStatus(self, given):  # noqa: N802
        run = self.runs.get(given["name"])
        if run is None:
            return {"model": None}
        summary = json.dumps(run["summary"])
        bucket = {"id": given["name"], "name": given["name"], "displayName": run["displayName"], "tags": run["tags"]}
        bucket |= {"summaryMetrics": summary, "config": run["config"], "notes": "", "wandbConfig": '{"t": 1}'}
        bucket |= {"historyLineCount": len(run["history"]), "logLineCount": 0, "eventsLineCount": 0}
        tail = [json.dumps(point) for point in run["history"][-1:]]
        bucket |= {"historyTail": json.dumps(tail), "eventsTail": "[]"}
        return {"model": {"id": "p", "name": run["project"], "entity": {"id": "e", "name": ENTITY}, "bucket": bucket}}

    def _UpsertBucket(self, given):  # noqa: N802
        entity, project = given["entity"] or ENTITY, given["project"]
        self.projects.add((entity, project))
        fresh = given["name"] not in self.runs
        run = self.runs.setdefault(given["name"], {"history": [], "summary": {}, "starts": 0, "exitcode": None})
        run["starts"] += given["groupName"] is not None
        run |= {key: value for key, value in given.items() if value is not None or key not in run}
        known = {"id": given["name"], "name": given["name"], "displayName": run["displayName"], "description": None}
        known |= {"config": "{}", "sweepName": None, "historyLineCount": len(run["history"])}
        known["project"] = {"id": "p", "name": project, "entity": {"id": "e", "name": entity}}
        return {"upsertBucket": {"bucket": known, "inserted": fresh}}

    def _CreateRunFiles(self, given):  # noqa: N802
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def _project(self, given, **content):
        entity = given.get("entityName") or given.get("entity")
        name = given.get("projectName") or given.get("project") or given.get("name")
        return {
            "project": {"id": "p", "internalId": "UHJvamVjdDox", **content} if (entity, name) in self.projects else None
        }

    def _Runs(self, given):  # noqa: N802
        """Runs of a project by a query of W&B's API."""
        asked = json.loads(given["filters"] or "{}")
        names = {"name": "name", "group": "groupName", "jobType": "jobType"}
        wanted = {names[key]: value["$in"] if isinstance(value, dict) else [value] for key, value in asked.items()}
        found = [
            run
            for run in self.runs.values()
            if run["project"] == given["project"] and all(run.get(name) in some for name, some in wanted.items())
        ]
        page = {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}
        return self._project(given, runCount=len(found), readOnly=False, runs=page)

    def shown(self, run_set, project="litmus"):
        """Ids of the runs of a project that a saved view's filter lets through."""
        names = {"name": "name", "group": "groupName", "jobType": "jobType", "displayName": "displayName"}

        def lets(rule, run):
            if "filters" in rule:
                each = [lets(one, run) for one in rule["filters"]]
                return any(each) if rule.get("op") == "OR" else all(each)
            assert rule.get("connector", "AND") == "AND"
            assert rule["key"]["section"] == "run"
            own = run.get(names[rule["key"]["name"]])
            return own in rule["value"] if rule["op"] == "IN" else own == rule["value"]

        return {name for name, run in self.runs.items() if run["project"] == project and lets(run_set["filters"], run)}

    def _ProjectInternalId(self, given):  # noqa: N802
        return self._project(given)

    def _View(self, given):  # noqa: N802
        found = [view for view in self.of_type("project-view") if view["name"] == given["viewName"]]
        return self._project(given, allViews={"edges": [{"node": view} for view in found]})

    def _ProjectViews(self, given):  # noqa: N802
        edges = [{"node": view, "cursor": view["id"]} for view in self.of_type("runs")]
        page = {"endCursor": None, "hasNextPage": False}
        return self._project(given, allViews={"edges": edges, "pageInfo": page})

    def _Run(self, given):  # noqa: N802
        run = self.runs.get(given["name"])
        known = run and {"id": given["name"], "name": given["name"], "state": "finished", "projectId": "1", "tags": []}
        return self._project(
            given | {"name": None}, run=known and {**known, "user": {"username": ENTITY, "name": ENTITY}}
        )

    def _DeleteRun(self, given):  # noqa: N802
        del self.runs[given["id"]]
        return {"deleteRun": {"clientMutationId": None}}

    def _SpecificReport(self, given):  # noqa: N802
        return {"view": self.views.get(given["reportId"])}

    def _GetProjects(self, given):  # noqa: N802
        more = {"createdAt": "2026-01-01T00:00:00", "isBenchmark": False, "user": None}
        nodes = [{"id": "p", "name": name, "entityName": entity, **more} for entity, name in self.projects]
        page = {"endCursor": None, "hasNextPage": False}
        return {"models": {"edges": [{"node": node, "cursor": ""} for node in nodes], "pageInfo": page}}

    def _upsertView(self, given):  # noqa: N802
        known = self.views.get(given.get("id"))
        view = known or {"id": base64.b64encode(f"View:{len(self.views) + 1}".encode()).decode(), "user": {}}
        view |= {key: given.get(key) for key in ("name", "displayName", "description", "type", "spec")}
        view |= {"project": {"id": "p", "name": given["projectName"], "entityName": given["entityName"]}}
        view |= {"updatedAt": "2026-01-01T00:00:00", "createdAt": "2026-01-01T00:00:00"}
        self.views[view["id"]] = view
        return {"upsertView": {"view": view, "inserted": known is None}}

    _UpsertView2 = _upsertView

    def _UpsertSweep(self, given):  # noqa: N802
        name, project = f"sweep{len(self.sweeps)}", given["projectName"]
        self.sweeps[name] = given["config"]
        self.projects.add((ENTITY, project))
        own = {"name": name, "project": {"id": "p", "name": project, "entity": {"id": "e", "name": ENTITY}}}
        return {"upsertSweep": {"sweep": own, "configValidationWarnings": []}}

    def _SweepWithRuns(self, given):  # noqa: N802
        found = self.sweeps.get(given["sweep"])
        own = found and {"id": given["sweep"], "name": given["sweep"], "config": found, "runs": {"edges": []}}
        return self._project(given, sweep=own)

    def _CreateAgent(self, given):  # noqa: N802
        return {"createAgent": {"agent": {"id": "agent"}}}

    def _Heartbeat(self, given):  # noqa: N802
        busy = json.loads(given["runState"])
        (config,) = self.sweeps.values()
        program = re.search(r"^program: (.*)$", config, re.MULTILINE)[1]
        commands = []
        if not busy and self.to_come:
            run_id, parameters = self.to_come.pop(0)
            told = {name: {"value": value} for name, value in parameters.items()}
            commands = [{"type": "run", "run_id": run_id, "program": program, "args": told}]
        return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": json.dumps(commands)}}

    # ---------------------------------------------------------------- what runs send

    def take(self, run_id, sent):
        """A part of a run's files; lines take the place of those at the same offset."""
        run = self.runs[run_id]
        for name, part in (sent.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                rows = [json.loads(line) for line in part["content"]]
                run["history"][part["offset"] :] = rows
            elif name == "wandb-summary.json":
                run["summary"] = json.loads(part["content"][-1])
        if sent.get("complete"):
            run["exitcode"] = sent["exitcode"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        server = self.server.state
        if self.path.startswith("/sdk/"):
            return self._reply({})
        sent = json.loads(body or b"{}")
        if server.down:
            return self._reply({"error": "down"}, 503)
        if self.headers.get("authorization") != "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode():
            return self._reply({"errors": [{"message": "who are you?"}]}, 401)
        with server.lock:
            if self.path.endswith("/graphql"):
                operation = re.search(r"(?:query|mutation)\s+(\w+)", sent["query"])[1]
                given = sent.get("variables") or {}
                server.asked.append((operation, given))
                data = server.answer(operation, given)
                return self._reply(
                    {"errors": [{"message": f"no {operation} here"}]} if data is None else {"data": data}
                )
            run_id = self.path.split("/")[-2]
            if run_id in server.broken:
                return self._reply({"error": "broken"}, 500)
            server.take(run_id, sent)
            return self._reply({"exitcode": None, "limits": {}})

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self._reply({})

    def do_GET(self):
        self._reply({})

    def _reply(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Http(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # W&B's client ends connections when it has what it wants


@contextmanager
def serving():
    """A server that runs as long as the block."""
    http = _Http(("127.0.0.1", 0), _Handler)
    http.state = Server()
    http.state.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield http.state
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


# -------------------------------------------------------------------- offline runs


def offline(trial):
    """The latest offline run of a trial as its records: what `wandb sync` would send."""
    file = max(Path(trial).glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.parent.name)
    until = time.monotonic() + 30
    while True:  # W&B writes the end of a run a moment after it said that it had
        late = time.monotonic() > until
        try:
            run = _read(file)
        except DecodeError:  # a record that is being written
            if late:
                raise
        else:
            if late or run["exitcode"] is not None:
                return run
        time.sleep(0.02)


def _read(file):
    from wandb.proto import wandb_internal_pb2

    run = {"config": {}, "history": [], "summary": {}, "metrics": {}, "exitcode": None}
    for data in _records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            own = record.run
            run |= {"id": own.run_id, "group": own.run_group, "name": own.display_name, "job_type": own.job_type}
            run |= {"tags": list(own.tags), "project": own.project, "resumed": own.resumed}
        elif kind == "history":
            run["history"].append(_values(record.history.item))
        elif kind == "metric":
            run["metrics"][record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind in ("config", "summary"):
            run[kind] |= _values(getattr(record, kind).update)
        elif kind == "exit":
            run["exitcode"] = record.exit.exit_code
    return run


def _values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data):
    """LevelDB's log: blocks of records, each with a checksum, a length and whether it begins, goes on or ends."""
    place, part = 7, b""
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield part
            part = b""
