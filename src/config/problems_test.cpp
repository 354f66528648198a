#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load_fixture.hpp"

namespace shoal::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// What is wrong in the files is told with its place.

TEST_F(Load, ProblemsOfAllFilesAreCollectedInOrder) {
  write("instances.d/bad name.toml", "");
  write("instances.d/broken.toml", "a = \n");
  write("instances.d/lab.toml", "");
  write("instances.d/ok.toml", "wrong = 1\n");
  EXPECT_THAT(
      problems(kLab + "[fleet]\nstate = 's'\n"),
      ElementsAre(
          R"(shoal.toml:5:1: unknown key "state"; did you mean "state_dir"?)",
          R"(instances.d/bad name.toml: "bad name" cannot be the name of an instance; use 1 to 64 of a-z A-Z 0-9 . _ - and no . or - in front)",
          HasSubstr("instances.d/broken.toml:1:5: "),
          R"(instances.d/lab.toml: instance lab is already defined (shoal.toml:1); remove one of them)",
          HasSubstr(
              R"(instances.d/ok.toml:1:1: unknown key "wrong"; there are: template, engine, worker, enabled, listeners, threads, auth, )")));
}

struct Case {
  const char* name;
  std::string text;  ///< of the main file
  std::string problem;
};

class Wrong : public Load, public testing::WithParamInterface<Case> {};

TEST_P(Wrong, IsOneLineWithItsPlace) { EXPECT_THAT(problems(GetParam().text), ElementsAre(GetParam().problem)); }

std::string lab_with(const std::string& line) { return kLab + line + '\n'; }

std::string listening(const std::string& list) {
  return "[instances.lab]\nauth.anonymous = true\nlisteners = " + list + '\n';
}

const std::string kWriteListener =
    R"(; write "mqtt://HOST:PORT" or "mqtt://HOST:auto" with a numeric HOST, IPv6 in brackets)";
const std::string kNobody =
    R"( lets nobody in; write auth = { users_file = "lab.users" } or, for clients without a name, auth = { anonymous = true })";

INSTANTIATE_TEST_SUITE_P(
    Cases, Wrong,
    testing::ValuesIn(std::vector<Case>{
        // Keys
        {"Routes", kLab + "[[routes]]\nfrom = 'a'", "shoal.toml:4:3: routes do not exist yet; remove them"},
        {"UnknownTable", kLab + "[instance.x]", R"(shoal.toml:4:2: unknown key "instance"; did you mean "instances"?)"},
        {"UnknownKey", lab_with("presistence = 'none'"),
         R"(shoal.toml:4:1: unknown key "presistence"; did you mean "persistence"?)"},
        {"UnknownKeyBegun", lab_with("queue = 'none'"),
         R"(shoal.toml:4:1: unknown key "queue"; did you mean "queue_full"?)"},
        {"UnknownLimit", lab_with("limits.conections = 1"),
         R"(shoal.toml:4:8: unknown key "conections"; did you mean "connections"?)"},
        {"KeyOfAnotherTable", lab_with("topic_levels = 1"),
         R"(shoal.toml:4:1: unknown key "topic_levels"; did you mean "limits.topic_levels" of an instance?)"},
        {"KeyOfTheFleet", lab_with("port_range = '1-2'"),
         R"(shoal.toml:4:1: unknown key "port_range"; did you mean "port_range" of [fleet]?)"},
        {"UnknownKeyFar", kLab + "[fleet]\nxyzzy = 1",
         R"(shoal.toml:5:1: unknown key "xyzzy"; there are: state_dir, log_dir, run_dir, port_range, metrics, user, log)"},
        {"UnknownKeyOfAWorker", kLab + "[workers.small]\nmemry = 1",
         R"(shoal.toml:5:1: unknown key "memry"; did you mean "memory"?)"},
        {"LimitsOfASharedWorker", lab_with("worker = 'small'\nworker_limits.memory = '1 GiB'"),
         R"(shoal.toml:5:15: instance lab shares the worker "small"; write memory in [workers.small] of shoal.toml)"},
        {"WorkerOwn", kLab + "[workers.own]\nmemory = '1 GiB'",
         "shoal.toml:4:10: [workers.own] would be nobody's: write worker_limits in [defaults] or in an instance"},
        {"LittleMemory", lab_with("worker_limits.memory = 1000"),
         "shoal.toml:4:24: worker_limits.memory: expected 16 MiB to 1024 GiB, found the integer 1000"},
        {"UnknownTemplate", lab_with("template = 'smal'") + "[templates.small]",
         R"(shoal.toml:4:12: unknown template "smal"; did you mean "small"?)"},
        {"NoTemplates", lab_with("template = 'smal'"), R"(shoal.toml:4:12: unknown template "smal"; there are none)"},
        {"TemplateOfTemplate", kLab + "[templates.t]\ntemplate = 'u'",
         "shoal.toml:5:1: [templates.t] cannot use a template; write the keys here"},
        {"TemplateInDefaults", kLab + "[defaults]\ntemplate = 'u'",
         "shoal.toml:5:1: [defaults] cannot use a template; write the keys here"},
        // Types and ranges
        {"NotATable", "instances = 1", "shoal.toml:1:13: instances: expected a table, found the integer 1"},
        {"LimitsNotATable", lab_with("limits = 1"), "shoal.toml:4:10: limits: expected a table, found the integer 1"},
        {"WrongType", lab_with("limits.sessions = 'many'"),
         R"(shoal.toml:4:19: limits.sessions: expected an integer, found the string "many")"},
        {"BooleanForInteger", lab_with("limits.sessions = true"),
         "shoal.toml:4:19: limits.sessions: expected an integer, found true"},
        {"FractionForSize", lab_with("limits.packet_size = 1.5"),
         R"(shoal.toml:4:22: limits.packet_size: expected an integer or a size such as "64 KiB", found a number with a fraction)"},
        {"UnknownUnit", lab_with("limits.packet_size = '1 MB'"),
         R"(shoal.toml:4:22: limits.packet_size: expected an integer or a size such as "64 KiB", found the string "1 MB")"},
        {"DateForDuration", lab_with("limits.session_expiry = 2024-01-01"),
         R"(shoal.toml:4:25: limits.session_expiry: expected an integer (seconds) or a duration such as "10s" or "7d", found a date or time)"},
        {"TooLarge", lab_with("limits.packet_size = '1 GiB'"),
         R"(shoal.toml:4:22: limits.packet_size: expected 128 B to 255 MiB, found the string "1 GiB")"},
        {"TooSmall", lab_with("limits.inflight = 0"),
         "shoal.toml:4:19: limits.inflight: expected 1 to 65535, found the integer 0"},
        {"Negative", lab_with("limits.session_expiry = -1"),
         "shoal.toml:4:25: limits.session_expiry: expected 0 to 4294967295s, found the integer -1"},
        {"Choice", lab_with("queue_full = 'drop'"),
         R"(shoal.toml:4:14: queue_full: expected one of drop_new, drop_old, disconnect, found the string "drop")"},
        {"Persistence", lab_with("persistence = 'always'"),
         R"(shoal.toml:4:15: persistence: expected one of none, crash_safe, power_safe, found the string "always")"},
        {"WorkerName", lab_with("worker = '../x'"),
         R"(shoal.toml:4:10: worker: expected a name (1 to 64 of a-z A-Z 0-9 . _ -, not starting with . or -), found the string "../x")"},
        {"EmptyPath", kLab + "[fleet]\nstate_dir = ''",
         R"(shoal.toml:5:13: state_dir: expected a path in a string, found the string "")"},
        {"PortRange", kLab + "[fleet]\nport_range = '9-8'",
         R"(shoal.toml:5:14: port_range: expected "FIRST-LAST" with ports from 1 to 65535, found the string "9-8")"},
        {"LongRunDir", kLab + "[fleet]\nrun_dir = '/" + std::string(100, 'x') + '\'',
         "shoal.toml:5:11: run_dir: /" + std::string(100, 'x') +
             " is too long for a socket in it (114 bytes of at most 107); choose a shorter one, or a shorter "
             "SHOAL_HOME"},
        {"LineBreakStaysInside", lab_with(R"(worker = "a\nb")"),
         R"(shoal.toml:4:10: worker: expected a name (1 to 64 of a-z A-Z 0-9 . _ -, not starting with . or -), found the string "a\x0ab")"},
        // Names
        {"BadName", "[instances.\"a/b\"]",
         R"(shoal.toml:1:12: "a/b" cannot be the name of an instance; use 1 to 64 of a-z A-Z 0-9 . _ - and no . or - in front)"},
        {"ReservedName", "[instances.controller]",
         R"(shoal.toml:1:12: "controller" cannot be the name of an instance: it is the controller's log)"},
        {"BadTemplateName", kLab + "[templates.\"\"]",
         R"(shoal.toml:4:12: "" cannot be the name of a template; use 1 to 64 of a-z A-Z 0-9 . _ - and no . or - in front)"},
        // Auth
        {"NoAuth", "[instances.lab]\nlisteners = ['mqtt://127.0.0.1:auto']", "shoal.toml:1:12: instance lab" + kNobody},
        {"AuthFalse", "[instances.lab]\nlisteners = ['mqtt://127.0.0.1:auto']\nauth.anonymous = false",
         "shoal.toml:1:12: instance lab" + kNobody},
        {"NoUsersFile", "[instances.lab]\nlisteners = ['mqtt://127.0.0.1:auto']\nauth = { users_file = 'lab.users' }",
         "shoal.toml:3:10: users file lab.users of instance lab does not exist; make it with `shoal users add lab "
         "USER`"},
        {"UsersFolder", "[instances.lab]\nlisteners = ['mqtt://127.0.0.1:auto']\nauth = { users_file = '/' }",
         "shoal.toml:3:10: users file / of instance lab is not a file; name one that `shoal users add lab USER` can "
         "make"},
        // Listeners
        {"NoListeners", "[instances.lab]\nauth.anonymous = true",
         R"(shoal.toml:1:12: instance lab has no listeners; write listeners = ["mqtt://127.0.0.1:auto"])"},
        {"EmptyListeners", listening("[]"), "shoal.toml:3:13: listeners: expected at least one listener, found a list"},
        {"OneString", listening("'mqtt://127.0.0.1:1'"),
         R"(shoal.toml:3:13: listeners: expected a list of strings such as ["mqtt://127.0.0.1:auto"], found the string "mqtt://127.0.0.1:1")"},
        {"NotAString", listening("['mqtt://127.0.0.1:1', 2]"),
         R"(shoal.toml:3:36: listeners: expected a list of strings such as ["mqtt://127.0.0.1:auto"], found the integer 2)"},
        {"Scheme", listening("['mqtts://127.0.0.1:1']"),
         R"(shoal.toml:3:14: "mqtts://127.0.0.1:1" is not served: only mqtt:// is)" + kWriteListener},
        {"NoScheme", listening("['127.0.0.1:1']"),
         R"(shoal.toml:3:14: "127.0.0.1:1" is not a listener)" + kWriteListener},
        {"HostName", listening("['mqtt://example.org:1']"),
         R"(shoal.toml:3:14: "example.org" is not a numeric address)" + kWriteListener},
        {"NoPort", listening("['mqtt://127.0.0.1']"),
         R"(shoal.toml:3:14: "mqtt://127.0.0.1" has no port)" + kWriteListener},
        {"NoPort6", listening("['mqtt://[::1]']"), R"(shoal.toml:3:14: "mqtt://[::1]" has no port)" + kWriteListener},
        {"NoBrackets", listening("['mqtt://::1:80']"),
         R"(shoal.toml:3:14: "::1" is not a numeric address)" + kWriteListener},
        {"Mapped", listening("['mqtt://[::ffff:1.2.3.4]:80']"),
         R"(shoal.toml:3:14: "mqtt://[::ffff:1.2.3.4]:80" is an IPv4 address in IPv6 form)" + kWriteListener},
        {"PortZero", listening("['mqtt://127.0.0.1:0']"),
         R"(shoal.toml:3:14: "0" is not a port (1 to 65535, or auto))" + kWriteListener},
        {"PortTooLarge", listening("['mqtt://127.0.0.1:65536']"),
         R"(shoal.toml:3:14: "65536" is not a port (1 to 65535, or auto))" + kWriteListener},
        {"PortWithTail", listening("['mqtt://127.0.0.1:1/x']"),
         R"(shoal.toml:3:14: "1/x" is not a port (1 to 65535, or auto))" + kWriteListener},
    }),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST_F(Load, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_THAT(problems("[fleet]\nstate_dir = \"open\n"), ElementsAre(HasSubstr("shoal.toml:2:18: ")));
  EXPECT_THAT(problems(kLab + "[instances.lab]\n"), ElementsAre(HasSubstr("shoal.toml:4:")));
  EXPECT_THAT(problems("[instances.\u00fc]\n"), ElementsAre(HasSubstr("shoal.toml:1:12: ")));
  EXPECT_THAT(problems("\u00e9 = 1\n"), ElementsAre(HasSubstr("shoal.toml:1:1: ")));
  EXPECT_THAT(problems("a = \"\"\"\\\n\u00a7\"\"\"\n"), ElementsAre(HasSubstr("shoal.toml:1:1: unknown key")));
  EXPECT_THAT(problems("a = t\n"), ElementsAre(testing::AllOf(HasSubstr("shoal.toml:1:6: "), Not(HasSubstr("\n")))));
  EXPECT_THAT(problems("[=]\n"), ElementsAre(HasSubstr("shoal.toml:1:2: ")));
  EXPECT_THAT(problems("a = \xff\n"), ElementsAre(HasSubstr("shoal.toml:1:")));
}

TEST_F(Load, AMainFileThatCannotBeReadSaysWhatToDo) {
  const Loaded loaded = load(Places::find("none.toml", "", ""));
  ASSERT_EQ(loaded.problems.size(), 1u);
  EXPECT_EQ(loaded.problems[0].text(),
            "none.toml: cannot read this file: No such file or directory; name another one with -c FILE, SHOAL_CONFIG "
            "or SHOAL_HOME");
  EXPECT_FALSE(loaded.config);
}

TEST_F(Load, OnePortIsForOneInstance) {
  const auto two = [&](const std::string& a, const std::string& b) {
    return problems("[defaults]\nauth.anonymous = true\n[instances.a]\nlisteners = ['mqtt://" + a +
                    "']\n[instances.b]\nlisteners = ['mqtt://" + b + "']\n");
  };
  const std::string held =
      "shoal.toml:6:14: instance b: port 11883 is held by instance a (shoal.toml:4); choose another, or auto";
  EXPECT_THAT(two("127.0.0.1:11883", "127.0.0.1:11883"), ElementsAre(held));
  EXPECT_THAT(two("127.0.0.1:11883", "localhost:11883"), ElementsAre(held));
  EXPECT_THAT(two("0.0.0.0:11883", "127.0.0.1:11883"), ElementsAre(held));
  EXPECT_THAT(two("127.0.0.1:11883", "0.0.0.0:11883"), ElementsAre(held));
  EXPECT_THAT(two("[::]:11883", "[::1]:11883"), ElementsAre(held));
  EXPECT_THAT(two("[::1]:11883", "[0:0::1]:11883"), ElementsAre(held));
  EXPECT_THAT(two("0.0.0.0:11883", "[::]:11883"), IsEmpty());
  EXPECT_THAT(two("127.0.0.1:11883", "127.0.0.2:11883"), IsEmpty());
  EXPECT_THAT(two("127.0.0.1:11883", "127.0.0.1:11884"), IsEmpty());
  EXPECT_THAT(two("127.0.0.1:auto", "127.0.0.1:auto"), IsEmpty());
}

TEST_F(Load, MetricsHaveAPortOfTheirOwn) {
  const auto problem = [&](const std::string& metrics) {
    return problems("[fleet]\nmetrics = " + metrics + "\n" + listening("['mqtt://0.0.0.0:9464']"));
  };
  EXPECT_FALSE(good(listening("['mqtt://0.0.0.0:9464']")).metrics.has_value());
  EXPECT_THAT(problem("'127.0.0.1:9465'"), IsEmpty());
  EXPECT_THAT(problem("'127.0.0.1:9464'"),
              ElementsAre("shoal.toml:5:14: instance lab: port 9464 is held by fleet.metrics (shoal.toml:2); choose "
                          "another, or auto"));
  const std::string how = R"(; write "HOST:PORT" with a numeric HOST, IPv6 in brackets, such as "127.0.0.1:9464")";
  EXPECT_THAT(problem("'127.0.0.1:auto'"),
              ElementsAre(R"(shoal.toml:2:11: metrics: "auto" is not a port (1 to 65535))" + how));
  EXPECT_THAT(problem("'127.0.0.1'"), ElementsAre(R"(shoal.toml:2:11: metrics: "127.0.0.1" has no port)" + how));
  EXPECT_THAT(problem("'localhost.:1'"),
              ElementsAre(R"(shoal.toml:2:11: metrics: "localhost." is not a numeric address)" + how));
  EXPECT_THAT(problem("9464"), ElementsAre(HasSubstr("shoal.toml:2:11: metrics: expected \"HOST:PORT\"")));
}

TEST_F(Load, AFixedPortInSharedKeysMeetsItself) {
  EXPECT_THAT(problems("[defaults]\nauth.anonymous = true\nlisteners = ['mqtt://127.0.0.1:1883']\n[instances.a]\n"
                       "[instances.b]\n"),
              ElementsAre(HasSubstr("shoal.toml:3:14: instance b: port 1883 is held by instance a (shoal.toml:3)")));
}

TEST_F(Load, UsersAddRunsBeforeTheFileExistsButOtherProblemsStay) {
  const std::string text = "[instances.a]\nlisteners = ['mqtt://127.0.0.1:auto']\nauth.users_file = 'a.users'\n";
  const Loaded loaded = load_main(text, UsersFiles::may_be_missing);
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->find("a")->options.auth.users_file, (folder_ / "a.users").string());
  EXPECT_FALSE(load_main(text + "worker = 1", UsersFiles::may_be_missing).config);
}

TEST_F(Load, AHomeThatIsTooLongForASocketIsToldBeforeAnythingIsMade) {
  write("shoal.toml", "");
  const Loaded loaded = load(Places::find("shoal.toml", "", '/' + std::string(100, 'x')));
  ASSERT_EQ(loaded.problems.size(), 1u);
  EXPECT_THAT(loaded.problems[0].text(), testing::MatchesRegex("shoal.toml: run_dir: /x+/run is too long.*SHOAL_HOME"));
}

TEST_F(Load, AFileElsewhereIsShownWithItsWholePath) {
  fs::create_directory(folder_ / "here");
  write("shoal.toml", "wrong = 1\n");
  fs::current_path(folder_ / "here");
  const Loaded loaded = load(Places::find("../shoal.toml", "", "home"));
  ASSERT_EQ(loaded.problems.size(), 1u);
  EXPECT_EQ(loaded.problems[0].at.file, (folder_ / "shoal.toml").string());
}

TEST_F(Load, AnInstanceHasAtMost250Listeners) {
  std::string list;
  for (int i = 0; i < 250; ++i) list += "'mqtt://127.0.0.1:auto',";
  const std::string head = "[instances.a]\nauth.anonymous = true\nlisteners = [";
  EXPECT_EQ(good(head + list + "]\n").instances[0].listeners.size(), 250u);
  EXPECT_THAT(problems(head + list + "'mqtt://127.0.0.1:auto']\n"),
              ElementsAre("shoal.toml:3:13: listeners: expected at most 250, found 251"));
}

TEST_F(Load, TheRunFolderIsKnownAlsoWhenThereAreProblems) {
  const Loaded loaded = load_main("wrong = 1\n[fleet]\nrun_dir = '/r'\n");
  EXPECT_FALSE(loaded.config);
  EXPECT_EQ(loaded.run_dir, "/r");
  EXPECT_EQ(load_main("not TOML").run_dir, (folder_ / "home/run").string());
}

TEST_F(Load, WhatIsMissingIsNotReportedWhereSomethingWrongMayHaveBeenMeant) {
  EXPECT_THAT(problems("[instances.a]\nlistener = ['mqtt://127.0.0.1:auto']\nauth.anonymous = true\n"),
              ElementsAre(R"(shoal.toml:2:1: unknown key "listener"; did you mean "listeners"?)"));
}

}  // namespace
}  // namespace shoal::config
