"""Runs every case of Autobahn's test suite; for CPython 2.7.

    suite.py LIB OUT server ws://127.0.0.1:PORT/
    suite.py LIB OUT client PROGRAM [ARGUMENT ...]

LIB is where requirements.txt is installed (pip --target). "server" tests the echo
server at that address. "client" tests an echo client: a process for each case,
started with `-s 127.0.0.1 -p PORT -u PATH -o` added, ended by its connection's end.

Writes OUT/results.txt, a line for each case that came to an end: its id and
`behavior/behaviorClose` in the suite's words; and for each that isn't OK in both the
suite's whole report, frames included, as OUT/*.json. What is good, `run` decides.
"""

import os
import site
import sys

# zope is a namespace package by a .pth file, which only a site folder is searched for
site.addsitedir(sys.argv[1])
sys.path.insert(0, sys.argv[1])

# picks the reactor, so it must be the first of Twisted
import autobahntestsuite.choosereactor  # noqa: F401
from autobahntestsuite import fuzzing
from autobahntestsuite.case import Cases
from twisted.internet import protocol, reactor

AGENT = "lws"
# Messages for each compression case; the suite's own 1000 take ten minutes.
MESSAGES = 100
# Seconds that a client may take for one case.
CASE_SECONDS = 30


def shorten():
    for case in Cases:
        if case.__name__.startswith(("Case12_", "Case13_")):
            case.COUNT = min(case.COUNT, MESSAGES)


def key(case_id):
    return [int(part) for part in case_id.split(".")]


class Reports(object):
    """In place of the suite's thousand pages of HTML."""

    def createReports(self, *_):
        results = self.agents.get(AGENT, {})
        with open(os.path.join(self.outdir, "results.txt"), "w") as out:
            for case_id in sorted(results, key=key):
                found = results[case_id]
                out.write("%s %s/%s\n" % (case_id, found["behavior"], found["behaviorClose"]))
                if (found["behavior"], found["behaviorClose"]) != ("OK", "OK"):
                    self.createAgentCaseReportJSON(AGENT, case_id, self.outdir)


class Client(Reports, fuzzing.FuzzingClientFactory):
    """The suite as a client: begins when it is made, stops the reactor at its end."""


class Server(Reports, fuzzing.FuzzingServerFactory):
    """The suite as a server."""


class Testee(protocol.ProcessProtocol):
    """One run of the client under test."""

    def __init__(self, runner):
        self.runner = runner
        self.limit = None

    def connectionMade(self):
        self.limit = reactor.callLater(CASE_SECONDS, self.too_long)

    def outReceived(self, data):
        self.runner.log.write(data)

    errReceived = outReceived

    def too_long(self):
        print "case %d: the client goes on after %d s" % (self.runner.number, CASE_SECONDS)
        self.transport.signalProcess("KILL")

    def processEnded(self, _):
        if self.limit.active():
            self.limit.cancel()
        self.runner.ended()


class Runner(object):
    """Starts the client under test for one case after the other."""

    def __init__(self, server, port, command):
        self.server, self.port, self.command = server, port, command
        self.number = 0
        self.log = open(os.path.join(server.outdir, "client.log"), "wb")

    def start(self):
        self.number += 1
        path = "/runCase?case=%d&agent=%s" % (self.number, AGENT)
        self.log.write("case %d\n" % self.number)
        options = ["-s", "127.0.0.1", "-p", str(self.port), "-u", path, "-o"]
        reactor.spawnProcess(Testee(self), self.command[0], self.command + options, env=None)

    def ended(self):
        if self.number < len(self.server.specCases):
            self.start()
        else:
            # the suite's own close timeouts are one second: the last results come by then
            reactor.callLater(3, self.finish)

    def finish(self):
        self.server.createReports()
        reactor.stop()


def main():
    out, mode = sys.argv[2:4]
    shorten()
    spec = {"outdir": out, "cases": ["*"], "exclude-cases": [], "exclude-agent-cases": {}}
    if mode == "server":
        # Without an agent of ours a handshake that fails would be nobody's.
        spec["servers"] = [{"url": sys.argv[4], "agent": AGENT}]
        factory = Client(spec)
    else:
        factory = Server(dict(spec, url="ws://127.0.0.1:1"))
        port = reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port
        factory.setSessionParameters(url="ws://127.0.0.1:%d" % port)
        reactor.callWhenRunning(Runner(factory, port, sys.argv[4:]).start)
    print "%d cases" % len(factory.specCases)
    reactor.run()


main()
