#!/usr/bin/python3
"""Deploys a document, tells what happens until it is active, explains it, and destroys it: watch.py DOCUMENT [BUS]"""

import sys

import cloudpolicy

bus = cloudpolicy.connect(*sys.argv[2:3])
manager, log = cloudpolicy.Manager(bus), cloudpolicy.Events(bus)
try:
    with open(sys.argv[1], encoding="utf-8") as document:
        name, generation = manager.create_deployment(document.read())
except cloudpolicy.InvalidDocument as error:
    sys.exit(f"{sys.argv[1]} has errors:\n{error}")
deployment = cloudpolicy.Deployment.named(bus, name)
print(f"{name}: generation {generation}")
for event in log.follow(deployment=name):
    print(event["cursor"], event["kind"], event.get("reason", ""))
    if event["kind"] == "deployment.failed":
        sys.exit(1)
    if event["kind"] == "deployment.started":
        break
print(deployment.state, deployment.explain("", ""), sep="\n")
cursor = event["cursor"]
manager.destroy_deployment(name, True)
for event in log.follow(cursor, deployment=name):
    print(event["cursor"], event["kind"], event.get("reason", ""))
    if event["kind"] == "deployment.destroyed":
        break
try:
    deployment.get_status()
except cloudpolicy.Error as error:
    print("gone:", error.name)
