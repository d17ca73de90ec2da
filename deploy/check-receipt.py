#!/usr/bin/env python3
"""Checks a webizen receipt without webizen.

A receipt shows that the owners of a vault approved the release of exact bytes, or said exact words to a visitor, and
that the vault's log has it. This program needs Python 3.8, `ssh-keygen` (OpenSSH 8.2) and `openssl` (3.0), and nothing
of webizen. It shares no code with the product. It writes one line for each check and ends with status 0 if all of them
hold, 1 if one does not, and 2 if it was called wrongly.
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

RECEIPT_MAX = 1 << 20
PROOF_MAX = 64
SIGNATURES_MAX = 16
SIZE_MAX = 1 << 62
TIME_MAX = 253_402_207_200
NAMESPACE = "release@webizen"
PRINCIPAL = "owner"
SIGNERS_MAX = 64
MEMBERS = ("format", "statement", "signatures", "signers", "log_key", "time", "kind", "salt", "proof")
# The fields of each kind of statement, in their order, and what each value looks like.
HEX32, HEX64 = "[0-9a-f]{32}", "[0-9a-f]{64}"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
NUMBER = "0|[1-9][0-9]{0,19}"
COMMON = (
    ("vault", "[a-z0-9.-]+/[a-z0-9._/-]+"),
    ("request", HEX32),
    ("subject", "(item|question): .+"),
    ("recipient", f"(ticket|hpke-x25519) sha256:{HEX64}"),
)
APPROVAL = (
    ("kind", "approval"),
    *COMMON,
    ("delivery", "plain|sealed"),
    ("purpose", ".*"),
    ("terms-sha256", f"none|{HEX64}"),
    ("payload-sha256", HEX64),
    ("payload-bytes", NUMBER),
    ("media-type", ".+"),
    ("shown", "whole|copy-opened|not-shown"),
    ("collections", NUMBER),
    ("prepared-at", STAMP),
    ("not-after", STAMP),
    ("nonce", HEX32),
)
QUESTION = (("kind", "question"), *COMMON, ("text", ".+"), ("prepared-at", STAMP), ("nonce", HEX32))
REFUSAL = (("kind", "refusal"), *COMMON, ("words", "none|text: .+"), ("decided-at", STAMP), ("nonce", HEX32))
# What the log says happened, what the owners signed for it, and how to call that.
KINDS = {
    "approved": (APPROVAL, "an approval"),
    "asked": (QUESTION, "a question"),
    "refused": (REFUSAL, "a refusal"),
}
# RFC 8410, section 4: everything of an Ed25519 SubjectPublicKeyInfo but the key.
ED25519_DER = bytes.fromhex("302a300506032b6570032100")


class Failed(Exception):
    """A check does not hold; the text says why."""


def plain(text):
    """Text that cannot do anything to a terminal: visible ASCII, all else escaped."""
    text = text.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)


def read_file(path, what, limit=RECEIPT_MAX):
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise Failed(f"{what} cannot be read: {plain(str(error))}") from error
    if len(content) > limit:
        raise Failed(f"{what} is longer than {limit} bytes")
    return content


def run(*command, stdin=b""):
    """Runs one of the two tools; its success and its first line of output."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=60, check=False)
    except FileNotFoundError as error:
        raise Failed(f"the program {command[0]} is not installed; install it and run this again") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"the program {command[0]} did not end; run this again") from error
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    return done.returncode == 0, plain(lines[0]) if lines else ""


def scratch_file(folder, name, content):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def base64_exactly(text, length=None):
    """The bytes of canonical base64, and nothing else."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failed("there is damaged base64") from error
    if base64.b64encode(content).decode() != text or length not in (None, len(content)):
        raise Failed("there is damaged base64")
    return content


def decimal(text, limit):
    if not re.fullmatch(NUMBER, text, re.ASCII) or int(text) > limit:
        raise Failed("a number is not in plain decimal digits, or too large")
    return int(text)


def load_receipt(path):
    """The members of the JSON, each of its right type."""
    def no_repetition(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            raise Failed("the receipt says something twice")
        return dict(pairs)

    try:
        receipt = json.loads(read_file(path, "the receipt").decode("utf-8"), object_pairs_hook=no_repetition)
    except (ValueError, RecursionError) as error:
        raise Failed("the receipt is not a JSON file") from error
    if not isinstance(receipt, dict) or set(receipt) != set(MEMBERS):
        raise Failed("the file is not a receipt, or one of another version")
    if receipt["format"] != "webizen receipt v1" or receipt["kind"] not in tuple(KINDS):
        raise Failed("the receipt is of another version or kind than this program knows")
    if type(receipt["time"]) is not int or not 0 <= receipt["time"] <= TIME_MAX:
        raise Failed("the receipt's time is no time")
    signatures = receipt["signatures"]
    if not isinstance(signatures, list) or not 0 < len(signatures) <= SIGNERS_MAX:
        raise Failed("the receipt's signatures are not a list of some")
    texts = signatures + [receipt[name] for name in MEMBERS if name not in ("time", "signatures")]
    if not all(isinstance(text, str) and not re.search("[\ud800-\udfff]", text) for text in texts):
        raise Failed("a part of the receipt is not text")
    if not re.fullmatch(HEX64, receipt["salt"], re.ASCII):
        raise Failed("the receipt's salt is not 64 hexadecimal digits")
    return receipt


def check_statement(receipt):
    """The fields of a statement of the receipt's kind."""
    fields, kind = KINDS[receipt["kind"]]
    lines = receipt["statement"].split("\n")
    if len(lines) != len(fields) + 2 or lines[0] != "webizen statement v1" or lines[-1] != "":
        raise Failed(f"the signed text is not {kind}")
    values = {}
    for (name, form), line in zip(fields, lines[1:]):
        if not line.startswith(name + ": ") or not re.fullmatch(form, line[len(name) + 2:], re.ASCII):
            raise Failed(f"the signed text is not {kind}: its field {name} is wrong")
        values[name] = line[len(name) + 2:]
    return values


def check_signatures(receipt, signers):
    """The fingerprints of the keys that signed, each another."""
    keys = [check_signature(receipt["statement"], signature, signers) for signature in receipt["signatures"]]
    if len(set(keys)) != len(keys):
        raise Failed("one owner's key has signed more than once")
    return ", ".join(keys)


def check_signature(statement, signature, signers):
    """The fingerprint of the key that made this signature."""
    with tempfile.TemporaryDirectory() as folder:
        signers = scratch_file(folder, "signers", signers)
        signature = scratch_file(folder, "signature", signature.encode())
        command = ("ssh-keygen", "-Y", "verify", "-I", PRINCIPAL, "-n", NAMESPACE, "-f", signers, "-s", signature)
        good, said = run(*command, stdin=statement.encode())
    if not good:
        raise Failed(f"ssh-keygen does not accept an owner's signature ({said})")
    fingerprint = re.search("SHA256:[A-Za-z0-9+/]+", said)
    if not fingerprint:
        raise Failed("ssh-keygen does not say whose signature it accepts")
    return fingerprint.group()


def read_log_key(text):
    """The name, the id and the Ed25519 key of a C2SP signed-note verifier key."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Failed("the log key is not written like name+id+key")
    name, key_id, typed = parts[0], parts[1], base64_exactly(parts[2], 33)
    if typed[0] != 1:
        raise Failed("the log key is not an Ed25519 key")
    if hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4].hex() != key_id:
        raise Failed("the log key's id does not belong to its name and key")
    return name, bytes.fromhex(key_id), typed[1:]


def read_proof(text):
    """A C2SP tlog-proof: index, hashes, signed checkpoint."""
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 2 or not lines[1].startswith("index "):
        raise Failed("the proof is not a tlog-proof")
    if len(lines) - 2 > PROOF_MAX:
        raise Failed("the proof is too long")
    hashes = [base64_exactly(line, 32) for line in lines[2:]]
    return decimal(lines[1][len("index "):], SIZE_MAX), hashes, checkpoint


def verify_ed25519(key, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        good, said = run(
            "openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER",
            "-inkey", scratch_file(folder, "key", ED25519_DER + key),
            "-in", scratch_file(folder, "message", message),
            "-sigfile", scratch_file(folder, "signature", signature),
        )
    if not good:
        raise Failed(f"openssl does not accept the log's signature ({said})")


def check_checkpoint(note, log_key):
    """The size and the root that the log signed in its own name (C2SP signed-note, tlog-checkpoint)."""
    name, key_id, key = log_key
    if re.search("[\x00-\x09\x0b-\x1f]", note) or not note.endswith("\n") or "\n\n" not in note:
        raise Failed("the checkpoint is damaged")
    body, _, signatures = note.rpartition("\n\n")
    body += "\n"
    signatures = signatures[:-1].split("\n")
    if len(signatures) > SIGNATURES_MAX:
        raise Failed("the checkpoint has too many signatures")
    own = []
    for line in signatures:
        match = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)", line)
        if not match:
            raise Failed("the checkpoint is damaged")
        content = base64_exactly(match.group(2))
        if match.group(1) == name and content[:4] == key_id:
            own.append(content[4:])
    if not own:
        raise Failed("the checkpoint is not signed by the log key")
    for signature in own:
        verify_ed25519(key, body.encode(), signature)
    lines = body.split("\n")
    if len(lines) != 4:
        raise Failed("the log signed something that is not a checkpoint")
    if lines[0] != name:
        raise Failed("the checkpoint names another log than its key")
    return decimal(lines[1], SIZE_MAX), base64_exactly(lines[2], 32)


def leaf_hash(receipt):
    """The hash of the log entry that this statement must have."""
    commitment = hashlib.sha256(bytes.fromhex(receipt["salt"]))
    for part in [receipt["statement"].encode()] + [signature.encode() for signature in receipt["signatures"]]:
        commitment.update(len(part).to_bytes(8, "big") + part)
    instant = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=receipt["time"])
    stamp = instant.isoformat(timespec="seconds") + "Z"
    leaf = f"webizen leaf v1\n{stamp}\n{receipt['kind']}\n{commitment.hexdigest()}\n"
    return hashlib.sha256(b"\0" + leaf.encode()).digest(), stamp


def root_from(leaf, index, size, path):
    """The root to which an inclusion proof leads (RFC 6962, section 2.1.1, from the top down)."""
    if size == 1:
        if path:
            raise Failed("the inclusion proof is too long")
        return leaf
    if not path:
        raise Failed("the inclusion proof is too short")
    left = 1 << ((size - 1).bit_length() - 1)
    if index < left:
        pair = root_from(leaf, index, left, path[:-1]) + path[-1]
    else:
        pair = path[-1] + root_from(leaf, index - left, size - left, path[:-1])
    return hashlib.sha256(b"\1" + pair).digest()


def check_inclusion(receipt, index, hashes, size, root):
    leaf, stamp = leaf_hash(receipt)
    if index >= size:
        raise Failed("the log entry's number is beyond the checkpoint")
    if root_from(leaf, index, size, hashes) != root:
        raise Failed("the log does not have this statement: the inclusion proof leads to another root")
    return stamp


def check_payload(path, approval):
    if approval["kind"] != "approval":
        raise Failed("there is none: only an approval releases a file")
    sha256, length = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                sha256.update(chunk)
                length += len(chunk)
    except OSError as error:
        raise Failed(f"the payload cannot be read: {plain(str(error))}") from error
    if length != int(approval["payload-bytes"]):
        raise Failed(f"the payload has {length} bytes and the approval is of {approval['payload-bytes']}")
    if sha256.hexdigest() != approval["payload-sha256"]:
        raise Failed("the payload is not the one approved: its SHA-256 differs")
    return length


class Report:
    """Writes a line for each check and counts those that do not hold."""

    def __init__(self):
        self.failed = 0

    def check(self, name, function, *arguments, say=lambda result: ""):
        try:
            result = function(*arguments)
        except Failed as failure:
            self.failed += 1
            print(f"FAILED  {name}: {failure}")
            return None
        print(f"ok      {name}: {say(result)}")
        return result

    @staticmethod
    def note(name, text):
        print(f"note    {name}: {text}")


def same(found, wanted, otherwise):
    if found != wanted:
        raise Failed(otherwise)
    return found


def check_owner(report, receipt, options):
    """The statement and who signed it."""
    statement = report.check(
        "statement", check_statement, receipt,
        say=lambda fields: f"{KINDS[receipt['kind']][1]} for request {fields['request']}, {plain(fields['subject'])}",
    )
    if options.signers:
        trusted = report.check("trusted keys", read_file, options.signers, "the file of --signers",
                               say=lambda _: "those of --signers")
        if trusted is not None:
            report.check("owners' signatures", check_signatures, receipt, trusted, say=lambda key: f"by {key}")
        own = "receipt's own list of keys"
    else:
        report.note("trusted keys",
                    "those in the receipt, for want of --signers; compare the fingerprints with the owners")
        own = "owners' signatures"
    report.check(own, check_signatures, receipt, receipt["signers"].encode(), say=lambda keys: f"has {keys}")
    return statement


def check_log(report, receipt, options):
    """The log key, the checkpoint and the inclusion. The log's origin, if its key is one."""
    log_key = report.check("log key", read_log_key, receipt["log_key"], say=lambda key: f"of {plain(key[0])}")
    if options.log_key:
        report.check("trusted log key", same, receipt["log_key"], options.log_key,
                     "the receipt is of another log than --log-key", say=lambda _: "that of --log-key")
    else:
        report.note("trusted log key", f"that in the receipt, for want of --log-key: {plain(receipt['log_key'])}")
    proof = report.check("proof", read_proof, receipt["proof"], say=lambda proof: f"of log entry {proof[0]}")
    if log_key is None or proof is None:
        return None
    index, hashes, note = proof
    head = report.check("checkpoint", check_checkpoint, note, log_key,
                        say=lambda head: f"signed by the log, {head[0]} entries")
    if head is not None:
        report.check("log entry", check_inclusion, receipt, index, hashes, *head,
                     say=lambda stamp: f"the log has the statement, dated {stamp}")
    return log_key[0]


def check_all(report, options):
    receipt = report.check("receipt", load_receipt, options.receipt, say=lambda _: "webizen receipt v1")
    if receipt is None:
        return
    statement = check_owner(report, receipt, options)
    origin = check_log(report, receipt, options)
    if statement is None:
        return
    if origin is not None:
        report.check("vault", same, statement["vault"], origin, "the statement names another vault than the log's",
                     say=lambda vault: f"statement, checkpoint and log key agree on {vault}")
    if options.payload:
        report.check("payload", check_payload, options.payload, statement,
                     say=lambda length: f"the {length} bytes that were approved")
    elif receipt["kind"] == "approved":
        report.note("payload", f"not given; it has {statement['payload-bytes']} bytes "
                               f"and the SHA-256 {statement['payload-sha256']}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Checks a webizen receipt without webizen: who signed, what, and that the vault's log has it.",
        epilog="Without --signers and --log-key the keys in the receipt itself are used: the checks then show that the "
               "receipt is whole, and the keys are yours to compare with the owners. How many of them must sign, they "
               "can tell. Status: 0 all checks hold, 1 one does not, 2 wrong arguments.",
    )
    parser.add_argument("receipt", metavar="RECEIPT.json", help="the receipt as downloaded")
    parser.add_argument("payload", metavar="PAYLOAD", nargs="?", help="the file that came with an approval")
    parser.add_argument("--signers", metavar="FILE", help="the owners' keys, as an OpenSSH allowed_signers file")
    parser.add_argument("--log-key", metavar="VKEY", help="the vault's log key: name+id+key, in C2SP signed-note form")
    arguments = parser.parse_args()
    # A file that is not there says nothing about the receipt.
    for path in filter(None, (arguments.receipt, arguments.payload, arguments.signers)):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            parser.error(f"{path} cannot be read: {error.strerror}")
    if arguments.log_key and not re.fullmatch(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*", arguments.log_key):
        parser.error("--log-key is no key in signed-note form, NAME+ID+KEY; `vault status` prints the vault's")
    return arguments


def main():
    report = Report()
    arguments = parse_arguments()
    check_all(report, arguments)
    if report.failed:
        print(f"The receipt does not hold: {report.failed} of the checks failed.")
        return 1
    if arguments.signers and arguments.log_key:
        print("Every check holds.")
    else:
        print("The receipt is whole. Whose keys these are was not checked: get them from the owner, by another way.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
