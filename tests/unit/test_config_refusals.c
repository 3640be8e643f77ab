/* Configurations that are refused: every sentence that a wrong file or override can cause, and that
 * no text, however hostile, ends otherwise. */
#include "tests/unit/config_fixture.h"

struct refusal {
    const char *text, *lines;
};

static void assert_all_refused(struct fixture *f, const struct refusal *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_refused(f, rows[i].text, rows[i].lines);
    }
}

static void test_unknown_key(void **state)
{
    static const struct refusal rows[] = {
        {"ppo:\n  clpi: 0.1\n", "t.yaml:2:3: ppo: unknown key 'clpi'; did you mean 'clip'?"},
        {"clip: 0.1\n", "t.yaml:1:1: unknown key 'clip'; that key is written ppo.clip"},
        {"ppo: {frobnicate: 1}\n",
         "t.yaml:1:7: ppo: unknown key 'frobnicate'; known here: clip, epochs, normalise"},
        {"services:\n  - name: a\n    CPU-M: 100\n",
         "t.yaml:3:5: services.0: unknown key 'CPU-M'; did you mean 'cpu_m'?"},
        {"ppo: {include: a.yaml}\n",
         "t.yaml:1:7: ppo: unknown key 'include'; known here: clip, epochs, normalise"},
    };
    assert_all_refused(*state, rows, sizeof rows / sizeof *rows);
}

static void test_wrong_type(void **state)
{
    static const struct refusal rows[] = {
        {"ppo: {clip: big}\n",
         "t.yaml:1:13: ppo.clip: found 'big', allowed is a number from 0.01 to 1; write it in "
         "decimal, such as 10, 0.5 or 1e-3, without leading zeros"},
        {"threads: four\n", "t.yaml:1:10: threads: found 'four', allowed is a whole number from 1 "
                            "to 64; write decimal digits without leading zeros, such as 10 or 1e6"},
        {"threads: \"4\"\n", "t.yaml:1:10: threads: found the quoted text \"4\", allowed is a "
                             "whole number from 1 to 64; remove the quotes"},
        {"threads: [4]\n", "t.yaml:1:10: threads: found a list, allowed is a whole number from 1 "
                           "to 64; write one value"},
        {"threads:\n  n: 4\n", "t.yaml:2:3: threads: found a map, allowed is a whole number from 1 "
                               "to 64; write one value"},
        {"threads:\n", "t.yaml:1:9: threads: found nothing, allowed is a whole number from 1 to "
                       "64; write a value, or remove the key for its default"},
        {"ppo: 3\n", "t.yaml:1:6: ppo: found '3', allowed is a map of keys and values; write its "
                     "keys below it, indented, as key: value"},
        {"hidden: 64\n",
         "t.yaml:1:9: hidden: found '64', allowed is a list of 1 to 4 elements, each a whole "
         "number from 1 to 1024 units; write [a, b], or one '- element' per line; [] is empty"},
        {"- a\n", "t.yaml:1:1: found a list, allowed is a map of keys and values; write its keys "
                  "below it, indented, as key: value"},
        {"title:\n",
         "t.yaml:1:7: title: found nothing, allowed is a text; write \"\" for an empty one"},
        {"title: [a]\n", "t.yaml:1:8: title: found a list, allowed is a text; write one value"},
        {"trace: ~\n",
         "t.yaml:1:8: trace: found nothing, allowed is a path; write \"\" for an empty one"},
    };
    assert_all_refused(*state, rows, sizeof rows / sizeof *rows);
}

static void test_out_of_range(void **state)
{
    static const struct refusal rows[] = {
        {"services: [{name: a, cpu_m: 9}]\n",
         "t.yaml:1:29: services.0.cpu_m: found '9', allowed is a whole number from 10 to 8000 m; "
         "choose a value in that range"},
        {"rates: [1, -0.5]\n", "t.yaml:1:12: rates.1: found '-0.5', allowed is a number of at "
                               "least 0 1/s; choose a value in that range"},
        {"threads: 1.5\n", "t.yaml:1:10: threads: found '1.5', allowed is a whole number from 1 to "
                           "64; write it without a fraction"},
        {"threads: 3000000000\n", "t.yaml:1:10: threads: found '3000000000', allowed is a whole "
                                  "number from 1 to 64; choose a value in that range"},
        {"seed: -1\n", "t.yaml:1:7: seed: found '-1', allowed is a whole number of at least 0; it "
                       "must fit into 64 bits without sign"},
        {"seed: 18446744073709551616\n",
         "t.yaml:1:7: seed: found '18446744073709551616', allowed is a whole number of at least 0; "
         "it must fit into 64 bits without sign"},
        {"steps: 1e19\n", "t.yaml:1:8: steps: found '1e19', allowed is a whole number of at least "
                          "0 steps; it must fit into 64 bits with sign"},
        {"offset: 1e999\n",
         "t.yaml:1:9: offset: found '1e999', allowed is a number in ms; it must fit into a double"},
        {"offset: 1e-999\n", "t.yaml:1:9: offset: found '1e-999', allowed is a number in ms; it "
                             "must fit into a double"},
        {"hidden: [1, 2, 3, 4, 5]\n",
         "t.yaml:1:9: hidden: found 5 elements, allowed are 1 to 4; remove some"},
        {"services: []\n",
         "t.yaml:1:11: services: found 0 elements, allowed are 1 to 64; add the missing ones"},
    };
    assert_all_refused(*state, rows, sizeof rows / sizeof *rows);
}

/* Numbers in disguise. */
static void test_number_grammar(void **state)
{
    static const char *const bad[] = {"010",   "0x10",  "0o7",   "0b1", "1__0",     "_1",   "1_",
                                      "1e",    "1e+",   "e5",    ".",   "+",        "-",    "--1",
                                      "1 000", "1,5",   ".inf",  "nan", "inf",      ".NaN", "-.inf",
                                      "0_1",   "1.2.3", "1e5.0", "NAN", "infinity", "1:30"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "offset: %s\n", bad[i]);
        if (load(f, text) != ERR_CONFIG) {
            fail_msg("accepted %s", text);
        }
        (void)snprintf(text, sizeof text, "steps: %s\n", bad[i]);
        if (load(f, text) != ERR_CONFIG) {
            fail_msg("accepted %s", text);
        }
    }
    char digits[1000] = "offset: 1";
    memset(digits + 9, '0', sizeof digits - 10);
    assert_int_equal(load(f, digits), ERR_CONFIG);
    assert_int_equal(load(f, "steps: 0e5\n"), ERR_OK);
    assert_int_equal(f->root.steps, 0);
    assert_int_equal(load(f, "steps: -0\n"), ERR_OK);
    assert_int_equal(f->root.steps, 0);
    assert_int_equal(load(f, "steps: 123000e-3\n"), ERR_OK);
    assert_int_equal(f->root.steps, 123);
    assert_int_equal(load(f, "steps: 1e999999999999\n"), ERR_CONFIG);
}

static void test_booleans(void **state)
{
    static const struct {
        const char *value, *remedy;
    } cases[] = {
        {"yes", "write true"}, {"On", "write true"},   {"1", "write true"},  {"TRUE", "write true"},
        {"no", "write false"}, {"off", "write false"}, {"0", "write false"}, {"maybe", "write one"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        char line[160];
        (void)snprintf(text, sizeof text, "ppo: {normalise: %s}\n", cases[i].value);
        (void)snprintf(line, sizeof line,
                       "t.yaml:1:18: ppo.normalise: found '%s', allowed is true or false; %s",
                       cases[i].value, cases[i].remedy);
        heard_forget(&f->log);
        assert_int_equal(load(f, text), ERR_CONFIG);
        assert_logged(f, line);
    }
}

static void test_choices(void **state)
{
    static const struct refusal rows[] = {
        {"colour: gren\n",
         "t.yaml:1:9: colour: found 'gren', allowed is one of red, green; did you mean 'green'?"},
        {"colour: transparent\n", "t.yaml:1:9: colour: found 'transparent', allowed is one of red, "
                                  "green; write one of these words"},
        {"palette: [red, 3]\n", "t.yaml:1:16: palette.1: found '3', allowed is one of red, green; "
                                "write one of these words"},
    };
    assert_all_refused(*state, rows, sizeof rows / sizeof *rows);
}

static void test_duplicates(void **state)
{
    static const struct refusal rows[] = {
        {"seed: 1\nthreads: 2\nseed: 3\n",
         "t.yaml:3:1: seed: given twice, first in line 1; remove one of the two"},
        {"ppo:\n  clip: 0.1\nppo:\n  epochs: 1\n",
         "t.yaml:3:1: ppo: given twice, first in line 2; remove one of the two"},
        {"services:\n  - name: a\n    name: b\n",
         "t.yaml:3:5: services.0.name: given twice, first in line 2; remove one of the two"},
        {"include: []\ninclude: []\n",
         "t.yaml:2:1: include: given twice, first in line 1; write one list"},
    };
    assert_all_refused(*state, rows, sizeof rows / sizeof *rows);
}

static void test_missing_keys(void **state)
{
    struct fixture *f = *state;
    assert_refused(
        f, "services:\n  - cpu_m: 100\n    calls:\n      - share: 0.5\n",
        "t.yaml:2:5: services.0.name: missing; add 'name: ...' (name of the service), a "
        "text\n"
        "t.yaml:4:9: services.0.calls.0.to: missing; add 'to: ...' (name of the callee), "
        "a text");
    static const struct cfg_field rows[] = {
        CFG_INT(struct ppo_cfg, epochs, CFG_REQUIRED, 1, 9, "", CFG_RESULT, "passes"), CFG_END};
    struct cfg c;
    struct ppo_cfg ppo;
    cfg_init(&c, rows, sizeof ppo, &f->arena);
    heard_forget(&f->log);
    assert_int_equal(cfg_load_text(&c, "u.yaml", "", NULL, 0, &ppo), ERR_CONFIG);
    assert_logged(f,
                  "u.yaml: epochs: missing; add 'epochs: ...' (passes), a whole number from 1 to "
                  "9");
    heard_forget(&f->log);
    assert_int_equal(cfg_load(&c, NULL, NULL, 0, &ppo), ERR_CONFIG);
    assert_logged(f, "epochs: missing");
    const char *set = "epochs=3";
    assert_int_equal(cfg_load(&c, NULL, &set, 1, &ppo), ERR_OK);
    assert_int_equal(ppo.epochs, 3);
}

static void test_syntax(void **state)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"a: b: c\n", "t.yaml:1:5: not YAML: mapping values are not allowed in this context"},
        {"seeds: [1, 2\n", "t.yaml:2:1: not YAML: did not find expected ',' or ']'"},
        {"title: \"open\n", "t.yaml:2:1: not YAML: found unexpected end of stream"},
        {"ppo:\n  clip: 0.1\n epochs: 1\n", "t.yaml:3:2: not YAML: did not find expected key"},
        {"ppo:\n\tclip: 0.1\n", "t.yaml:2:1: a tab is used as indentation"},
        {"ppo:\n  clip: 0.1\n\tepochs: 1\n", "a tab is used as indentation"},
        {"title: a\xFF\n", "t.yaml:1:9: invalid leading UTF-8 octet (byte 0xFF); a configuration "},
        {"title: a\xC3\n", "invalid trailing UTF-8 octet"},
        {"seed: 1\ntitle: a\x01\n", "t.yaml:2:9: control characters are not allowed (byte 0x1)"},
        {"seed: &x 1\n", "t.yaml:1:7: found an anchor (&name), which a configuration may not use"},
        {"seed: *x\n", "t.yaml:1:7: found an alias (*name), which a configuration may not use"},
        {"seed: !!int 1\n", "t.yaml:1:7: found a tag (!name), which a configuration may not use"},
        {"seeds: &x [1]\n", "found an anchor"},
        {"ppo: !map {}\n", "found a tag"},
        {"&x seed: 1\n", "t.yaml:1:1: found an anchor"},
        {"? [a]\n: b\n", "t.yaml:1:3: a key must be a plain word"},
        {"? {a: b}\n: b\n", "a key must be a plain word"},
        {"*x : b\n", "a key must be a plain word"},
        {"title: \"a\\0b\"\n", "t.yaml:1:8: the text contains a NUL character"},
        {"\"a\\0b\": 1\n", "t.yaml:1:1: the text contains a NUL character"},
        {"seed: 1\n---\nseed: 2\n", "t.yaml:2:1: a second document begins here"},
        {"@\n", "not YAML: found character that cannot start any token"},
        {"%YAML 3.0\n---\n", "not YAML: "},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "t.yaml:1:17: nested more than 16 levels deep"},
        {"}\n", "not YAML: "},
        {"-\n-\n", "t.yaml:1:1: found a list"},
        {"include: {a: b}\n", "t.yaml:1:10: include: allowed is a list of paths"},
        {"include:\n", "t.yaml:1:9: include: allowed is a list of paths"},
        {"include: [*x]\n", "t.yaml:1:11: found an alias"},
        {"include: [[a]]\n", "t.yaml:1:11: include: allowed is a list of paths"},
        {"include: [/nonexistent/x.yaml]\n",
         "t.yaml:1:11: include: '/nonexistent/x.yaml' cannot be read (No such file or directory)"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heard_forget(&f->log);
        assert_int_equal(load(f, cases[i].text), ERR_CONFIG);
        assert_logged(f, cases[i].sentence);
    }
}

/* Every error of a file is shown, but no more than CFG_ERRORS_MAX. */
static void test_all_errors_shown(void **state)
{
    struct fixture *f = *state;
    char text[4096] = "";
    for (int i = 0; i < 50; i++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "unknown_key_%d: 1\n", i);
        heard_forget(&f->log);
        assert_int_equal(load(f, text), ERR_CONFIG);
        assert_int_equal(f->log.n, i + 1 < CFG_ERRORS_MAX ? i + 1 : CFG_ERRORS_MAX + 1);
    }
    assert_logged(f, "t.yaml:20:1: unknown key 'unknown_key_19'");
    assert_logged(f, "t.yaml:20:1: 20 errors so far; correct these first");
}

/* Every prefix of a good text, and the text with each byte replaced, ends in OK or a sentence. */
static void test_mutations(void **state)
{
    struct fixture *f = *state;
    static const char replacements[] = "\t\"'[]{}:,-&*!|>%@\n\x01\xFF 0";
    char text[1024];
    size_t len = strlen(DEFAULT_TEXT);
    for (size_t i = 0; i <= len; i++) {
        (void)snprintf(text, sizeof text, "%.*s", (int)i, DEFAULT_TEXT);
        heard_forget(&f->log);
        enum err e = load(f, text);
        assert_true(e == ERR_OK || (e == ERR_CONFIG && f->log.n > 0));
    }
    for (size_t i = 0; i < len; i++) {
        (void)snprintf(text, sizeof text, "%s", DEFAULT_TEXT);
        text[i] = replacements[i % (sizeof replacements - 1)];
        heard_forget(&f->log);
        enum err e = load(f, text);
        assert_true(e == ERR_OK || (e == ERR_CONFIG && f->log.n > 0));
    }
}

/* Hostile but small: refused quickly. */
static void test_hostile_texts(void **state)
{
    struct fixture *f = *state;
    enum { N = 100000 };
    static char text[N + 1];
    static const char fill[] = "[{\"-?a,:";
    for (size_t i = 0; i < sizeof fill - 1; i++) {
        memset(text, fill[i], N);
        text[N] = '\0';
        assert_int_equal(load(f, text), ERR_CONFIG);
    }
}

static void test_too_many_values(void **state)
{
    struct fixture *f = *state;
    enum { N = (1 << 20) + 10 };
    static char text[2 * N + 16];
    memcpy(text, "hidden: [", 9);
    for (size_t i = 0; i < N; i++) {
        memcpy(text + 9 + 2 * i, "1,", 2);
    }
    assert_refused(f, text,
                   "t.yaml:1:2097156: more than 1048576 values; no configuration is that long");
}

static void test_long_keys(void **state)
{
    struct fixture *f = *state;
    char text[3000];
    memset(text, 'k', sizeof text);
    memcpy(text + 900, ": 1\n", 5);
    assert_int_equal(load(f, text), ERR_CONFIG);
    assert_logged(f, "t.yaml:1:1: unknown key 'kkk");
    assert_logged(f, "kkk...'; known here: ppo,");
}

static void test_excerpts_are_cut(void **state)
{
    struct fixture *f = *state;
    char text[400] = "colour: x"; /* one byte, so that byte 60 is in the middle of a character */
    for (int i = 0; i < 100; i++) {
        strncat(text, "\xC3\xA9", sizeof text - strlen(text) - 1); /* e acute, two bytes */
    }
    heard_forget(&f->log);
    assert_int_equal(load(f, text), ERR_CONFIG);
    assert_logged(f, "\xC3\xA9...', allowed is one of red, green");
    heard_forget(&f->log);
    assert_int_equal(load(f, "colour: \"a\\nb\"\n"), ERR_CONFIG);
    assert_logged(f, "found the quoted text \"a b\"");
}

/* A default that its own row refuses is a mistake in the table, and says so. */
static void test_bad_defaults(void **state)
{
    static const struct cfg_field rows[] = {
        CFG_INT(struct ppo_cfg, epochs, "0", 1, 9, "", CFG_RESULT, "passes"), CFG_END};
    struct fixture *f = *state;
    struct cfg c;
    struct ppo_cfg ppo;
    cfg_init(&c, rows, sizeof ppo, &f->arena);
    assert_int_equal(cfg_load(&c, NULL, NULL, 0, &ppo), ERR_CONFIG);
    assert_logged(f, "default: epochs: found '0', allowed is a whole number from 1 to 9");
}

static void test_bad_sets(void **state)
{
    static const struct {
        const char *set, *sentence;
    } cases[] = {
        {"ppo.clp=1", "--set ppo.clp=1: ppo: unknown key 'clp'; did you mean 'clip'?"},
        {"threads", "--set threads: not of the form KEY=VALUE; write for example"},
        {"=3", "--set =3: not of the form KEY=VALUE"},
        {"threads=0",
         "--set threads=0: threads: found '0', allowed is a whole number from 1 to 64"},
        {"threads=", "--set threads=: threads: found nothing, allowed is a whole number"},
        {"seeds=[1", "--set seeds=[1: not YAML: "},
        {"services.2.cpu_m=10", "services: no element '2'; the list has 2, counted from 0"},
        {"services.x=10", "services: no element 'x'; the list has 2, counted from 0"},
        {"services.-1=10", "services: no element '-1'"},
        {"services.9999999999.name=a", "services: no element '9999999999'"},
        {"seed.x=1", "seed: a single value, it has no part 'x'; shorten the key"},
        {"ppo..clip=1", "ppo: unknown key ''"},
        {"include=a.yaml", "unknown key 'include'"},
        {"include={include: 3}", "unknown key 'include'"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heard_forget(&f->log);
        assert_int_equal(load_set(f, "", cases[i].set), ERR_CONFIG);
        assert_logged(f, cases[i].sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unknown_key),      TEST(test_wrong_type),   TEST(test_out_of_range),
        TEST(test_number_grammar),   TEST(test_booleans),     TEST(test_choices),
        TEST(test_duplicates),       TEST(test_missing_keys), TEST(test_syntax),
        TEST(test_all_errors_shown), TEST(test_mutations),    TEST(test_hostile_texts),
        TEST(test_too_many_values),  TEST(test_long_keys),    TEST(test_excerpts_are_cut),
        TEST(test_bad_defaults),     TEST(test_bad_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
