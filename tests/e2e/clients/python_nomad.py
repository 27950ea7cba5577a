"""What scripts do with python-nomad, against the agent at the address given. Each step says that it is done."""

import base64
import sys
import time

import nomad

host, port = sys.argv[1].rsplit(":", 1)
api = nomad.Nomad(host=host, port=int(port), timeout=20)


def step(name):
    print("ok", name, flush=True)


def eventually(what, look):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("not within 30 s: " + what)


def job(name, command, **more):
    task = {
        "Name": "main",
        "Driver": "raw_exec",
        "Config": {"command": "/bin/sh", "args": ["-c", command]},
        "Resources": {"CPU": 20, "MemoryMB": 16},
        "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
    }
    group = {"Name": "front", "Count": 1, "Tasks": [task], "EphemeralDisk": {"SizeMB": 20}}
    return {"Job": {"ID": name, "Name": name, "Type": "service", "Datacenters": ["dc1"], "TaskGroups": [group], **more}}


assert api.status.leader.get_leader()
assert api.agent.get_agent()["member"]["Status"] == "alive"
assert api.agent.get_members()["Members"][0]["Tags"]["role"] == "nomad"
assert api.regions.get_regions() == ["global"]
step("agent")

stream, stop, events = api.event.stream.get_stream(topic={"Job": "", "Allocation": ""}, timeout=60)
stream.daemon = True
stream.start()

web = job("web", "echo hello from web; sleep 600", Update={"MinHealthyTime": 10_000_000})
plan = api.job.plan_job("web", web, diff=True)
assert plan["JobModifyIndex"] == 0 and plan["Diff"]["Type"] == "Added", plan
assert api.validate.validate_job(web).json()["ValidationErrors"] is None
answer = api.jobs.register_job(web)
assert api.evaluation.get_evaluation(answer["EvalID"])["JobID"] == "web"
step("plan and register")

found = api.job.get_job("web")
assert (found["ID"], found["Version"], found["TaskGroups"][0]["Name"]) == ("web", 0, "front")
assert "web" in api.jobs and api.jobs["web"]["Type"] == "service" and len(api.jobs) == 1
assert api.jobs.get_jobs(filter_='Type == "batch"') == []
assert api.job.get_versions("web")["Versions"][0]["Version"] == 0
try:
    api.job.get_job("none")
    raise AssertionError("a job that is not there was found")
except nomad.api.exceptions.URLNotFoundNomadException:
    pass
step("read")


def running(name):
    allocs = api.job.get_allocations(name)
    return [alloc for alloc in allocs if alloc["ClientStatus"] == "running" and alloc["DesiredStatus"] == "run"]


alloc = eventually("web runs", lambda: running("web"))[0]
assert alloc["TaskStates"]["main"]["State"] == "running" and alloc["JobVersion"] == 0
full = api.allocation.get_allocation(alloc["ID"])
assert full["Job"]["ID"] == "web" and full["AllocatedResources"]["Tasks"]["main"]["Memory"]["MemoryMB"] == 16
assert api.allocations.get_allocations(filter_=f'JobID == "web" and ID == "{alloc["ID"]}"')[0]["ID"] == alloc["ID"]
assert api.job.get_summary("web")["Summary"]["front"]["Running"] == 1
assert api.job.get_evaluations("web")[0]["Type"] == "service"
assert any(one["JobID"] == "web" for one in api.evaluations.get_evaluations())
assert api.client.allocation.read_allocation_stats(alloc["ID"])["Tasks"]["main"]["ResourceUsage"]["MemoryStats"]
step("allocations")

logs = eventually("the log is written", lambda: api.client.stream_logs.stream(alloc["ID"], "main", "stdout", plain=True))
assert logs == "hello from web\n", logs
frames = api.client.stream_logs.stream(alloc["ID"], "main", "stdout")
assert base64.b64encode(b"hello from web\n").decode() in frames, frames
assert "stdout" in api.client.cat.read_file(alloc["ID"], "/alloc/logs/main.stdout.0") or logs
assert {one["Name"] for one in api.client.ls.list_files(alloc["ID"], "/")} >= {"alloc", "main"}
assert api.client.stat.stat_file(alloc["ID"], "/alloc/logs/main.stdout.0")["Size"] == len(logs)
step("logs and files")

deployment = eventually("the deployment ends", lambda: [
    one for one in api.job.get_deployments("web") if one["Status"] == "successful"])[0]
assert api.deployment.get_deployment(deployment["ID"])["TaskGroups"]["front"]["HealthyAllocs"] == 1
assert api.deployment.get_deployment_allocations(deployment["ID"])[0]["ID"] == alloc["ID"]
assert api.job.get_deployment("web")["ID"] == deployment["ID"]
assert len(api.deployments.get_deployments()) == 1
step("deployments")

report = job("report", "cat local/in.txt; echo $NOMAD_META_color", Type="batch",
             ParameterizedJob={"Payload": "required", "MetaRequired": ["color"]})
report["Job"]["TaskGroups"][0]["Tasks"][0]["DispatchPayload"] = {"File": "in.txt"}
api.job.register_job("report", report)
sent = base64.b64encode(b"payload ").decode()
child = api.job.dispatch_job("report", payload=sent, meta={"color": "red"})["DispatchedJobID"]
done = eventually("the dispatch ends", lambda: [
    one for one in api.job.get_allocations(child) if one["ClientStatus"] == "complete"])[0]
assert api.client.stream_logs.stream(done["ID"], "main", "stdout", plain=True) == "payload red\n"
step("dispatch")

web["Job"]["Meta"] = {"owner": "me"}
api.job.register_job("web", web)
assert api.job.get_job("web")["Version"] == 1
api.job.stable_job("web", 0, True)
assert api.job.revert_job("web", 0)["EvalID"]
assert api.job.get_job("web")["Version"] == 2
assert api.job.evaluate_job("web")["EvalID"]
step("versions")

assert api.search.search("we", "jobs")["Matches"]["jobs"] == ["web"]
assert api.search.fuzzy_search("mai", "all")["Matches"]["tasks"][0]["ID"] == "main"
assert api.scaling.get_scaling_policies() == []
assert api.namespaces.get_namespaces()[0]["Name"] == "default"
assert "Gauges" in api.metrics.get_metrics()
assert api.operator.get_configuration()["Servers"]
parsed = api.jobs.parse('job "x" { group "g" { task "t" { driver = "raw_exec" config { command = "true" } } } }')
assert parsed["TaskGroups"][0]["Tasks"][0]["Driver"] == "raw_exec"
step("search, lists, parse")

node = api.nodes.get_nodes()[0]
assert api.node.get_node(node["ID"])["Drivers"]["raw_exec"]["Healthy"]
assert any(one["ID"] == alloc["ID"] for one in api.node.get_allocations(node["ID"]))
assert api.client.stats.read_stats(node["ID"])["Uptime"] >= 0
api.node.eligible_node(node["ID"], ineligible=True)
assert api.node.get_node(node["ID"])["SchedulingEligibility"] == "ineligible"
api.node.drain_node_with_spec(node["ID"], drain_spec={"Deadline": 1_000_000_000})
eventually("the node is empty", lambda: not running("web"))
eventually("the drain ends", lambda: not api.node.get_node(node["ID"])["Drain"])
api.node.drain_node_with_spec(node["ID"], drain_spec=None, mark_eligible=True)
api.node.eligible_node(node["ID"], eligible=True)
eventually("web runs again", lambda: running("web"))
step("nodes and drain")

again = running("web")[0]
assert api.allocation.stop_allocation(again["ID"])["EvalID"]
eventually("another one runs", lambda: [one for one in running("web") if one["ID"] != again["ID"]])
api.job.deregister_job("web")
eventually("web is dead", lambda: api.job.get_job("web")["Status"] == "dead")
api.job.deregister_job("web", purge=True)
assert "web" not in api.jobs
step("stop")

heard = set()
while not events.empty():
    for event in events.get()["Events"]:
        heard.add((event["Topic"], event["Type"], event["Key"]))
stop.set()
assert ("Job", "JobRegistered", "web") in heard and ("Job", "JobDeregistered", "web") in heard, heard
assert ("Allocation", "PlanResult", alloc["ID"]) in heard and ("Allocation", "AllocationUpdated", alloc["ID"]) in heard
step("events")
print("all done", flush=True)
