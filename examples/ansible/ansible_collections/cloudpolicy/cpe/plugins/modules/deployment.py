#!/usr/bin/python3
"""Ansible module cloudpolicy.cpe.deployment: a deployment of the Cloud Policy Engine, by `cpectl`."""

import json

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: deployment
short_description: Deployments of the Cloud Policy Engine
description: Brings a deployment to what a document says, or away. Check mode is a plan.
options:
  name: {description: The deployment., type: str, required: true}
  state: {description: Whether it is to be there., type: str, choices: [present, absent], default: present}
  document: {description: Its document., type: str}
  expect: {description: Refused unless it is at this generation., type: int}
  wait: {description: Until it is active or gone., type: bool, default: false}
  timeout: {description: How long that may take., type: str, default: 10m}
  keep_services: {description: Its services run on when it goes., type: bool, default: false}
  bus: {description: As --bus of cpectl., type: str, default: system}
author: Cloud Policy Engine developers
"""
OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "document": {"type": "str"},
    "expect": {"type": "int"},
    "wait": {"type": "bool", "default": False},
    "timeout": {"type": "str", "default": "10m"},
    "keep_services": {"type": "bool", "default": False},
    "bus": {"type": "str", "default": "system"},
}
NOT_FOUND = 4


def cpectl(module, *arguments, document=None, absent=False):
    """What cpectl prints; None if there is no such deployment, where that may be."""
    command = [module.get_bin_path("cpectl", required=True), *arguments[:1], "--bus", module.params["bus"], *arguments[1:]]
    code, said, error = module.run_command(command, data=document, binary_data=True)
    if code == NOT_FOUND and absent:
        return None
    if code != 0:
        module.fail_json(msg=f"cpectl {arguments[0]}: {error.strip() or said.strip()}", rc=code)
    return said


def waiting(module):
    return ["--wait", "--timeout", module.params["timeout"]] if module.params["wait"] else []


def present(module, name, stored):
    document = module.params["document"]
    plan = json.loads(cpectl(module, "plan", "--json", "-", document=document))
    if plan["deployment"] != name:
        module.fail_json(msg=f"the document is that of {plan['deployment']}, not of {name}")
    result = {
        # `cpectl show` ends with a line's end, whatever the document does.
        "changed": stored is None or stored.rstrip() != document.rstrip(),
        "plan": plan,
        "diff": {"before": stored or "", "after": document, "before_header": name, "after_header": name},
    }
    expected = expecting(module, name)
    if result["changed"] and not module.check_mode:
        cpectl(module, "deploy", *waiting(module), *expected, "-", document=document)
    return result


def expecting(module, name):
    """What has cpectl refuse another generation; check mode refuses it here."""
    expect = module.params["expect"]
    if expect is None:
        return []
    if generation(module, name) != expect:
        module.fail_json(msg=f"{name} is not at generation {expect} any more")
    return ["--expect", str(expect)]


def generation(module, name):
    status = cpectl(module, "status", "--json", name, absent=True)
    return json.loads(status)["generation"] if status else 0


def absent(module, name, stored):
    if stored is not None:
        expected = expecting(module, name)
        if not module.check_mode:
            keep = ["--keep-services"] if module.params["keep_services"] else []
            cpectl(module, "destroy", *waiting(module), *keep, *expected, name)
    return {"changed": stored is not None, "diff": {"before": stored or "", "after": ""}}


def main():
    module = AnsibleModule(
        OPTIONS, supports_check_mode=True, required_if=[("state", "present", ["document"])]
    )
    name = module.params["name"]
    stored = cpectl(module, "show", name, absent=True)
    act = {"present": present, "absent": absent}[module.params["state"]]
    module.exit_json(**act(module, name, stored))


if __name__ == "__main__":
    main()
