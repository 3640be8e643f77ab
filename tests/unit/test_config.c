/* Configuration: every sentence a wrong file can cause, merging, places, and that what is printed
 * loads back to the identical struct. */
#include "core/base/config.h"
#include "tests/unit/heard.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A configuration with every kind of row ------------------------------------------------------ */

enum colour { COLOUR_RED, COLOUR_GREEN = 7 };

struct call_cfg {
    const char *to;
    double share;
};

struct service_cfg {
    const char *name;
    int cpu_m;
    struct call_cfg *calls;
    int n_calls;
};

struct ppo_cfg {
    double clip;
    int epochs;
    bool normalise;
};

struct root_cfg {
    struct ppo_cfg ppo;
    uint64_t seed;
    int64_t steps;
    double offset;
    enum colour colour;
    const char *title;
    const char *trace;
    int threads;
    uint64_t *seeds;
    int n_seeds;
    int *hidden;
    int n_hidden;
    double *rates;
    int n_rates;
    const char **tags;
    int n_tags;
    const char **traces;
    int n_traces;
    enum colour *palette;
    int n_palette;
    struct service_cfg *services;
    int n_services;
};

static const struct cfg_choice COLOURS[] = {
    {"red", COLOUR_RED, "warm"},
    {"green", COLOUR_GREEN, "cold"},
    {NULL, 0, ""},
};

static const struct cfg_field CALL_ROWS[] = {
    CFG_STRING(struct call_cfg, to, CFG_REQUIRED, CFG_RESULT, "name of the callee"),
    CFG_DOUBLE(struct call_cfg, share, "1", 0, 1, "", CFG_RESULT, "share of requests"),
    CFG_END,
};

static const struct cfg_field SERVICE_ROWS[] = {
    CFG_STRING(struct service_cfg, name, CFG_REQUIRED, CFG_RESULT, "name of the service"),
    CFG_INT(struct service_cfg, cpu_m, "100", 10, 8000, "m", CFG_RESULT, "CPU limit"),
    CFG_LIST(struct service_cfg, calls, n_calls, struct call_cfg, CALL_ROWS, "[]", 0, 8, "callees"),
    CFG_END,
};

static const struct cfg_field PPO_ROWS[] = {
    CFG_DOUBLE(struct ppo_cfg, clip, "0.2", 0.01, 1, "", CFG_RESULT, "PPO clip range"),
    CFG_INT(struct ppo_cfg, epochs, "4", 1, 100, "", CFG_RESULT, "passes over a rollout"),
    CFG_BOOL(struct ppo_cfg, normalise, "true", CFG_RESULT, "normalise advantages"),
    CFG_END,
};

static const struct cfg_field ROWS[] = {
    CFG_TABLE(struct root_cfg, ppo, PPO_ROWS, "policy optimisation"),
    CFG_UINT64(struct root_cfg, seed, "1", CFG_RESULT, "seed of the run"),
    CFG_INT64(struct root_cfg, steps, "1_000_000", 0, CFG_NO_MAX, "steps", CFG_RESULT, "budget"),
    CFG_DOUBLE(struct root_cfg, offset, "-2.5e-3", CFG_NO_MIN, CFG_NO_MAX, "ms", CFG_RESULT,
               "offset"),
    CFG_ENUM(struct root_cfg, colour, "red", COLOURS, CFG_RESULT, "colour"),
    CFG_STRING(struct root_cfg, title, "", CFG_OUTPUT, "title of figures"),
    CFG_PATH(struct root_cfg, trace, "", CFG_RESULT, "workload trace"),
    CFG_INT(struct root_cfg, threads, "1", 1, 64, "", CFG_SPEED, "threads per rank"),
    CFG_LIST_UINT64(struct root_cfg, seeds, n_seeds, "[1, 2, 3]", 1, 2000, CFG_RESULT, "seeds"),
    CFG_LIST_INT(struct root_cfg, hidden, n_hidden, "[64, 64]", 1, 4, 1, 1024, "units", CFG_RESULT,
                 "layer widths"),
    CFG_LIST_DOUBLE(struct root_cfg, rates, n_rates, "[]", 0, 4, 0, CFG_NO_MAX, "1/s", CFG_RESULT,
                    "request rates"),
    CFG_LIST_STRING(struct root_cfg, tags, n_tags, "[]", 0, 20, CFG_OUTPUT, "tags"),
    CFG_LIST_PATH(struct root_cfg, traces, n_traces, "[]", 0, 4, CFG_RESULT, "more traces"),
    CFG_LIST_ENUM(struct root_cfg, palette, n_palette, enum colour, COLOURS, "[red]", 0, 4,
                  CFG_OUTPUT, "colours of figures"),
    CFG_LIST(struct root_cfg, services, n_services, struct service_cfg, SERVICE_ROWS,
             "[{name: web, calls: [{to: db, share: 0.5}]}, {name: db}]", 1, 64, "services"),
    CFG_END,
};

struct fixture {
    struct arena arena;
    struct heard log;
    struct cfg cfg;
    struct root_cfg root;
    struct buf buf;
    char dir[64];
};

static int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    arena_init(&f.arena);
    buf_init(&f.buf);
    cfg_init(&f.cfg, ROWS, sizeof f.root, &f.arena);
    heard_begin(&f.log);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(0);
    heard_end();
    buf_release(&f->buf);
    arena_release(&f->arena);
    return 0;
}

static enum err load(struct fixture *f, const char *text)
{
    return cfg_load_text(&f->cfg, "t.yaml", text, NULL, 0, &f->root);
}

static enum err load_set(struct fixture *f, const char *text, const char *set)
{
    return cfg_load_text(&f->cfg, "t.yaml", text, &set, 1, &f->root);
}

static void assert_logged(const struct fixture *f, const char *sentence)
{
    if (strstr(f->log.text, sentence) == NULL) {
        fail_msg("expected \"%s\" in: %s", sentence, f->log.text);
    }
}

/* The text is refused with exactly this line (all lines, joined by newlines). */
static void assert_refused(struct fixture *f, const char *text, const char *lines)
{
    char expected[8192];
    heard_forget(&f->log);
    assert_int_equal(load(f, text), ERR_CONFIG);
    (void)snprintf(expected, sizeof expected, "%s\n", lines);
    char got[sizeof expected];
    size_t n = 0;
    /* the log's own prefix is not under test */
    for (const char *p = f->log.text; *p != '\0' && n < sizeof got - 1;) {
        p += strncmp(p, "error: ", 7) == 0 ? 7 : 0;
        size_t len = strcspn(p, "\n") + 1;
        n += (size_t)snprintf(got + n, sizeof got - n, "%.*s", (int)len, p);
        p += len;
    }
    assert_string_equal(got, expected);
}

static const char *resolved(struct fixture *f, unsigned effects)
{
    f->buf.len = 0;
    assert_int_equal(cfg_print_resolved(&f->buf, ROWS, &f->root, effects), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    return (const char *)f->buf.data;
}

static uint64_t digest(const struct fixture *f)
{
    uint64_t d = 0;
    assert_int_equal(cfg_digest(&d, ROWS, &f->root, NULL, NULL), ERR_OK);
    return d;
}

/* Values -------------------------------------------------------------------------------------- */

static const char *const DEFAULT_TEXT = "ppo:\n"
                                        "  clip: 0.2\n"
                                        "  epochs: 4\n"
                                        "  normalise: true\n"
                                        "seed: 1\n"
                                        "steps: 1000000\n"
                                        "offset: -0.0025\n"
                                        "colour: red\n"
                                        "title: \"\"\n"
                                        "trace: \"\"\n"
                                        "threads: 1\n"
                                        "seeds: [1, 2, 3]\n"
                                        "hidden: [64, 64]\n"
                                        "rates: []\n"
                                        "tags: []\n"
                                        "traces: []\n"
                                        "palette: [red]\n"
                                        "services:\n"
                                        "  - name: web\n"
                                        "    cpu_m: 100\n"
                                        "    calls:\n"
                                        "      - to: db\n"
                                        "        share: 0.5\n"
                                        "  - name: db\n"
                                        "    cpu_m: 100\n"
                                        "    calls: []\n";

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cfg_load(&f->cfg, NULL, NULL, 0, &f->root), ERR_OK);
    assert_string_equal(resolved(f, CFG_ALL), DEFAULT_TEXT);
    assert_true(f->root.ppo.clip == 0.2);
    assert_true(f->root.offset == -2.5e-3);
    assert_int_equal(f->root.steps, 1000000);
    assert_int_equal(f->root.n_services, 2);
    assert_string_equal(f->root.services[0].calls[0].to, "db");
    assert_int_equal(f->log.n, 0);
}

/* Nothing at all, comments only, an empty heading: all are the defaults. */
static void test_empty_files(void **state)
{
    static const char *const texts[] = {"",
                                        "# nothing\n",
                                        "---\n",
                                        "ppo:\n",
                                        "{}",
                                        "\n\n",
                                        "\xEF\xBB\xBF# byte order mark\nppo:\n"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(load(f, texts[i]), ERR_OK);
        assert_string_equal(resolved(f, CFG_ALL), DEFAULT_TEXT);
    }
}

static void test_values(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load(f, "ppo: {clip: 1e-1, epochs: 1e1, normalise: false}\n"
                             "seed: 18446744073709551615\n"
                             "steps: 9223372036854775807\n"
                             "offset: -1_0.5\n"
                             "colour: green\n"
                             "title: 'a: b'\n"
                             "seeds: [7]\n"
                             "hidden: [1.5e1, +2, 30e-1, 4.0]\n"
                             "rates: [.5, 5., 0, 1e3]\n"
                             "tags: [no, 1, on, \"\", x y]\n"
                             "palette: [green, \"red\"]\n"
                             "services:\n"
                             "- name: a\n"
                             "  calls: [{to: b}, {to: c, share: 0.25}]\n"
                             "- {name: b, cpu_m: 200}\n"
                             "- name: c\n"),
                     ERR_OK);
    const struct root_cfg *r = &f->root;
    assert_true(r->ppo.clip == 0.1);
    assert_int_equal(r->ppo.epochs, 10);
    assert_false(r->ppo.normalise);
    assert_true(r->seed == UINT64_MAX);
    assert_true(r->steps == INT64_MAX);
    assert_true(r->offset == -10.5);
    assert_int_equal(r->colour, COLOUR_GREEN);
    assert_string_equal(r->title, "a: b");
    assert_int_equal(r->n_seeds, 1);
    assert_int_equal(r->hidden[0], 15);
    assert_int_equal(r->hidden[1], 2);
    assert_int_equal(r->hidden[2], 3);
    assert_int_equal(r->hidden[3], 4);
    assert_true(r->rates[0] == 0.5 && r->rates[1] == 5 && r->rates[2] == 0 && r->rates[3] == 1000);
    assert_string_equal(r->tags[0], "no");
    assert_string_equal(r->tags[3], "");
    assert_string_equal(r->tags[4], "x y");
    assert_int_equal(r->palette[0], COLOUR_GREEN);
    assert_int_equal(r->palette[1], COLOUR_RED);
    assert_int_equal(r->n_services, 3);
    assert_int_equal(r->services[0].n_calls, 2);
    assert_true(r->services[0].calls[0].share == 1 && r->services[0].calls[1].share == 0.25);
    assert_int_equal(r->services[1].cpu_m, 200);
    assert_int_equal(r->services[2].cpu_m, 100);
    assert_int_equal(f->log.n, 0);
}

/* A failed load leaves the struct alone. */
static void test_untouched_on_failure(void **state)
{
    struct fixture *f = *state;
    struct root_cfg before;
    memset(&f->root, 0x5A, sizeof f->root);
    before = f->root;
    assert_int_equal(load(f, "seed: 5\nthreads: 0\n"), ERR_CONFIG);
    assert_memory_equal(&before, &f->root, sizeof before);
}

/* Sentences ----------------------------------------------------------------------------------- */

static void test_unknown_key(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "ppo:\n  clpi: 0.1\n",
                   "t.yaml:2:3: ppo: unknown key 'clpi'; did you mean 'clip'?");
    assert_refused(f, "clip: 0.1\n",
                   "t.yaml:1:1: unknown key 'clip'; that key is written ppo.clip");
    assert_refused(
        f, "ppo: {frobnicate: 1}\n",
        "t.yaml:1:7: ppo: unknown key 'frobnicate'; known here: clip, epochs, normalise");
    assert_refused(f, "services:\n  - name: a\n    CPU-M: 100\n",
                   "t.yaml:3:5: services.0: unknown key 'CPU-M'; did you mean 'cpu_m'?");
    assert_refused(f, "ppo: {include: a.yaml}\n",
                   "t.yaml:1:7: ppo: unknown key 'include'; known here: clip, epochs, normalise");
}

static void test_wrong_type(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "ppo: {clip: big}\n",
                   "t.yaml:1:13: ppo.clip: found 'big', allowed is a number from 0.01 to 1; write "
                   "it in decimal, such as 10, 0.5 or 1e-3, without leading zeros");
    assert_refused(f, "threads: four\n",
                   "t.yaml:1:10: threads: found 'four', allowed is a whole number from 1 to 64; "
                   "write decimal digits without leading zeros, such as 10 or 1e6");
    assert_refused(f, "threads: \"4\"\n",
                   "t.yaml:1:10: threads: found the quoted text \"4\", allowed is a whole number "
                   "from 1 to 64; remove the quotes");
    assert_refused(f, "threads: [4]\n",
                   "t.yaml:1:10: threads: found a list, allowed is a whole number from 1 to 64; "
                   "write one value");
    assert_refused(
        f, "threads:\n  n: 4\n",
        "t.yaml:2:3: threads: found a map, allowed is a whole number from 1 to 64; write "
        "one value");
    assert_refused(f, "threads:\n",
                   "t.yaml:1:9: threads: found nothing, allowed is a whole number from 1 to 64; "
                   "write a value, or remove the key for its default");
    assert_refused(
        f, "ppo: 3\n",
        "t.yaml:1:6: ppo: found '3', allowed is a map of keys and values; write its keys "
        "below it, indented, as key: value");
    assert_refused(f, "hidden: 64\n",
                   "t.yaml:1:9: hidden: found '64', allowed is a list of 1 to 4 elements, each a "
                   "whole number from 1 to 1024 units; write [a, b], or one '- element' per line; "
                   "[] is empty");
    assert_refused(f, "- a\n",
                   "t.yaml:1:1: found a list, allowed is a map of keys and values; write its keys "
                   "below it, indented, as key: value");
    assert_refused(f, "title:\n",
                   "t.yaml:1:7: title: found nothing, allowed is a text; write \"\" for an empty "
                   "one");
    assert_refused(f, "title: [a]\n",
                   "t.yaml:1:8: title: found a list, allowed is a text; write one value");
    assert_refused(f, "trace: ~\n",
                   "t.yaml:1:8: trace: found nothing, allowed is a path; write \"\" for an empty "
                   "one");
}

static void test_out_of_range(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "services: [{name: a, cpu_m: 9}]\n",
                   "t.yaml:1:29: services.0.cpu_m: found '9', allowed is a whole number from 10 to "
                   "8000 m; choose a value in that range");
    assert_refused(f, "rates: [1, -0.5]\n",
                   "t.yaml:1:12: rates.1: found '-0.5', allowed is a number of at least 0 1/s; "
                   "choose a value in that range");
    assert_refused(f, "threads: 1.5\n",
                   "t.yaml:1:10: threads: found '1.5', allowed is a whole number from 1 to 64; "
                   "write it without a fraction");
    assert_refused(f, "threads: 3000000000\n",
                   "t.yaml:1:10: threads: found '3000000000', allowed is a whole number from 1 to "
                   "64; choose a value in that range");
    assert_refused(f, "seed: -1\n",
                   "t.yaml:1:7: seed: found '-1', allowed is a whole number of at least 0; it must "
                   "fit into 64 bits without sign");
    assert_refused(
        f, "seed: 18446744073709551616\n",
        "t.yaml:1:7: seed: found '18446744073709551616', allowed is a whole number of at "
        "least 0; it must fit into 64 bits without sign");
    assert_refused(
        f, "steps: 1e19\n",
        "t.yaml:1:8: steps: found '1e19', allowed is a whole number of at least 0 steps; "
        "it must fit into 64 bits with sign");
    assert_refused(f, "offset: 1e999\n",
                   "t.yaml:1:9: offset: found '1e999', allowed is a number in ms; it must fit into "
                   "a double");
    assert_refused(
        f, "offset: 1e-999\n",
        "t.yaml:1:9: offset: found '1e-999', allowed is a number in ms; it must fit into "
        "a double");
    assert_refused(f, "hidden: [1, 2, 3, 4, 5]\n",
                   "t.yaml:1:9: hidden: found 5 elements, allowed are 1 to 4; remove some");
    assert_refused(f, "services: []\n",
                   "t.yaml:1:11: services: found 0 elements, allowed are 1 to 64; add the missing "
                   "ones");
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
    struct fixture *f = *state;
    assert_refused(f, "colour: gren\n",
                   "t.yaml:1:9: colour: found 'gren', allowed is one of red, green; did you mean "
                   "'green'?");
    assert_refused(f, "colour: transparent\n",
                   "t.yaml:1:9: colour: found 'transparent', allowed is one of red, green; write "
                   "one of these words");
    assert_refused(f, "palette: [red, 3]\n",
                   "t.yaml:1:16: palette.1: found '3', allowed is one of red, green; write one of "
                   "these words");
}

static void test_duplicates(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "seed: 1\nthreads: 2\nseed: 3\n",
                   "t.yaml:3:1: seed: given twice, first in line 1; remove one of the two");
    assert_refused(f, "ppo:\n  clip: 0.1\nppo:\n  epochs: 1\n",
                   "t.yaml:3:1: ppo: given twice, first in line 2; remove one of the two");
    assert_refused(f, "services:\n  - name: a\n    name: b\n",
                   "t.yaml:3:5: services.0.name: given twice, first in line 2; remove one of the "
                   "two");
    assert_refused(f, "include: []\ninclude: []\n",
                   "t.yaml:2:1: include: given twice, first in line 1; write one list");
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

/* Overrides ----------------------------------------------------------------------------------- */

static void test_sets(void **state)
{
    struct fixture *f = *state;
    const char *const sets[] = {"ppo.clip=0.3",
                                "seeds=[4,5]",
                                "services.1.cpu_m=500",
                                "services.0.calls.0.share=0.75",
                                "seeds.1=6",
                                "title=a b",
                                "services.1.calls=[{to: web}]",
                                "ppo={epochs: 9}",
                                "ppo.clip=0.4",
                                "trace=\"\""};
    assert_int_equal(cfg_load_text(&f->cfg, "t.yaml", "ppo: {clip: 0.1}\n", sets, 10, &f->root),
                     ERR_OK);
    assert_true(f->root.ppo.clip == 0.4);
    assert_int_equal(f->root.ppo.epochs, 9);
    assert_int_equal(f->root.n_seeds, 2);
    assert_int_equal(f->root.seeds[1], 6);
    assert_int_equal(f->root.services[1].cpu_m, 500);
    assert_true(f->root.services[0].calls[0].share == 0.75);
    assert_string_equal(f->root.services[1].calls[0].to, "web");
    assert_string_equal(f->root.title, "a b");
    assert_string_equal(cfg_where(&f->cfg, "ppo.clip"), "--set ppo.clip=0.4");
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

/* Files --------------------------------------------------------------------------------------- */

static void make_dir(struct fixture *f)
{
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/test_config.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
}

static const char *in_dir(const struct fixture *f, const char *name)
{
    static char path[4][128];
    static int i;
    i = (i + 1) % 4;
    (void)snprintf(path[i], sizeof path[i], "%s/%s", f->dir, name);
    return path[i];
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    FILE *file = fopen(in_dir(f, name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void remove_dir(const struct fixture *f, const char *const *names)
{
    for (; *names != NULL; names++) {
        (void)remove(in_dir(f, *names));
    }
    assert_int_equal(rmdir(f->dir), 0);
}

static void test_includes(void **state)
{
    struct fixture *f = *state;
    make_dir(f);
    assert_int_equal(mkdir(in_dir(f, "sub"), 0700), 0);
    write_file(f, "main.yaml", "ppo: {clip: 0.3}\ninclude: [sub/a.yaml, b.yaml]\nseeds: [9]\n");
    write_file(f, "sub/a.yaml", "include: ../c.yaml\nppo: {clip: 0.5, epochs: 7}\nthreads: 2\n");
    write_file(f, "b.yaml", "threads: 3\ninclude: [c.yaml]\nseeds: [1, 2, 3, 4]\n");
    write_file(f, "c.yaml", "steps: 5\nthreads: 9\n");
    enum err e = cfg_load(&f->cfg, in_dir(f, "main.yaml"), NULL, 0, &f->root);
    remove_dir(f,
               (const char *const[]){"main.yaml", "sub/a.yaml", "b.yaml", "c.yaml", "sub", NULL});
    assert_int_equal(e, ERR_OK);
    assert_true(f->root.ppo.clip == 0.3);
    assert_int_equal(f->root.ppo.epochs, 7);
    assert_int_equal(f->root.threads, 3);
    assert_int_equal(f->root.steps, 5);
    assert_int_equal(f->root.n_seeds, 1);
    assert_int_equal(f->root.seeds[0], 9);
    char place[160];
    (void)snprintf(place, sizeof place, "%s/sub/a.yaml:2:26", f->dir);
    assert_string_equal(cfg_where(&f->cfg, "ppo.epochs"), place);
}

static void test_include_cycle(void **state)
{
    struct fixture *f = *state;
    make_dir(f);
    write_file(f, "a.yaml", "include: [./b.yaml]\n");
    write_file(f, "b.yaml", "include:\n  - a.yaml\n");
    write_file(f, "self.yaml", "include: self.yaml\n");
    enum err e = cfg_load(&f->cfg, in_dir(f, "a.yaml"), NULL, 0, &f->root);
    enum err e_self = cfg_load(&f->cfg, in_dir(f, "self.yaml"), NULL, 0, &f->root);
    remove_dir(f, (const char *const[]){"a.yaml", "b.yaml", "self.yaml", NULL});
    assert_int_equal(e, ERR_CONFIG);
    assert_int_equal(e_self, ERR_CONFIG);
    assert_int_equal(f->log.n, 2);
    assert_logged(f, "b.yaml:2:5: include: files include each other (");
    assert_logged(f, "a.yaml is included by ");
    assert_logged(f, "self.yaml:1:10: include: files include each other (");
}

static void test_unreadable_files(void **state)
{
    struct fixture *f = *state;
    make_dir(f);
    write_file(f, "big.yaml", "# big\n");
    assert_int_equal(truncate(in_dir(f, "big.yaml"), CFG_FILE_MAX + 1), 0);
    enum err e_big = cfg_load(&f->cfg, in_dir(f, "big.yaml"), NULL, 0, &f->root);
    enum err e_dir = cfg_load(&f->cfg, f->dir, NULL, 0, &f->root);
    enum err e_none = cfg_load(&f->cfg, in_dir(f, "none.yaml"), NULL, 0, &f->root);
    remove_dir(f, (const char *const[]){"big.yaml", NULL});
    assert_int_equal(e_big, ERR_CONFIG);
    assert_int_equal(e_dir, ERR_CONFIG);
    assert_int_equal(e_none, ERR_CONFIG);
    assert_int_equal(f->log.n, 3);
    assert_logged(f, "big.yaml: larger than 16 MiB");
    assert_logged(f, "cannot be read (Is a directory); check the name");
    assert_logged(f, "none.yaml: cannot be read (No such file or directory); check the name");
}

static void test_paths(void **state)
{
    struct fixture *f = *state;
    make_dir(f);
    write_file(f, "here.csv", "");
    write_file(f, "m.yaml", "trace: here.csv\ntraces: [there.csv, /abs.csv, here.csv]\n");
    const char *const set[] = {"trace=here.csv"};
    enum err e = cfg_load(&f->cfg, in_dir(f, "m.yaml"), NULL, 0, &f->root);
    struct root_cfg plain = f->root;
    enum err e_set = cfg_load(&f->cfg, in_dir(f, "m.yaml"), set, 1, &f->root);
    remove_dir(f, (const char *const[]){"here.csv", "m.yaml", NULL});
    assert_int_equal(e, ERR_OK);
    assert_int_equal(e_set, ERR_OK);
    assert_string_equal(plain.trace, in_dir(f, "here.csv"));
    assert_string_equal(plain.traces[0], "there.csv");
    assert_string_equal(plain.traces[1], "/abs.csv");
    assert_string_equal(plain.traces[2], in_dir(f, "here.csv"));
    assert_string_equal(f->root.trace, "here.csv");
}

/* Places -------------------------------------------------------------------------------------- */

static void test_where(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(cfg_where(&f->cfg, "seed"), "default");
    assert_int_equal(load_set(f,
                              "seed: 4\n"
                              "ppo:\n"
                              "  clip: 0.1\n"
                              "services:\n"
                              "  - name: a\n"
                              "    calls:\n"
                              "      - to: b\n"
                              "  - name: b\n",
                              "services.1.cpu_m=500"),
                     ERR_OK);
    assert_string_equal(cfg_where(&f->cfg, "seed"), "t.yaml:1:7");
    assert_string_equal(cfg_where(&f->cfg, "ppo.clip"), "t.yaml:3:9");
    assert_string_equal(cfg_where(&f->cfg, "ppo.epochs"), "t.yaml:3:3 (by default)");
    assert_string_equal(cfg_where(&f->cfg, "services.0.calls.0.to"), "t.yaml:7:13");
    assert_string_equal(cfg_where(&f->cfg, "services.0.calls.0"), "t.yaml:7:9");
    assert_string_equal(cfg_where(&f->cfg, "services.1.cpu_m"), "--set services.1.cpu_m=500");
    assert_string_equal(cfg_where(&f->cfg, "threads"), "default");
    assert_string_equal(cfg_where(&f->cfg, "hidden.1"), "default");
    assert_string_equal(cfg_where(&f->cfg, "no.such.key"), "default");
    assert_string_equal(cfg_where(&f->cfg, ""), "default");
    assert_int_equal(cfg_error(&f->cfg, "services.0.calls.0.to", "'%s' calls itself", "b"),
                     ERR_CONFIG);
    assert_logged(f, "t.yaml:7:13: services.0.calls.0.to: 'b' calls itself");
}

static void test_sources(void **state)
{
    struct fixture *f = *state;
    const struct cfg_source sources[] = {
        {"one", "ppo: {clip: 0.1, epochs: 2}\nservices: [{name: a}, {name: b}]\n"},
        {"two", "ppo: {epochs: 3}\nservices: [{name: c, cpu_m: 20}]\n"},
    };
    assert_int_equal(cfg_load_sources(&f->cfg, sources, 2, NULL, 0, &f->root), ERR_OK);
    assert_true(f->root.ppo.clip == 0.1);
    assert_int_equal(f->root.ppo.epochs, 3);
    assert_int_equal(f->root.n_services, 1);
    assert_string_equal(f->root.services[0].name, "c");
    assert_string_equal(cfg_where(&f->cfg, "ppo.clip"), "one:1:13");
    assert_string_equal(cfg_where(&f->cfg, "services.0.cpu_m"), "two:2:29");
}

/* Printing ------------------------------------------------------------------------------------ */

static void assert_round_trip(struct fixture *f)
{
    char text[65536];
    (void)snprintf(text, sizeof text, "%s", resolved(f, CFG_ALL));
    uint64_t before = digest(f);
    struct root_cfg first = f->root;
    enum err e = load(f, text);
    if (e != ERR_OK) {
        fail_msg("%s does not load back: %s", text, f->log.text);
    }
    assert_string_equal(resolved(f, CFG_ALL), text);
    assert_true(digest(f) == before);
    assert_memory_equal(&first.ppo, &f->root.ppo, sizeof first.ppo);
    assert_true(first.n_rates == f->root.n_rates);
    assert_memory_equal(first.rates, f->root.rates, sizeof(double) * (size_t)first.n_rates);
    assert_true(memcmp(&first.offset, &f->root.offset, sizeof first.offset) == 0);
    assert_string_equal(first.title, f->root.title);
    for (int i = 0; i < first.n_tags; i++) {
        assert_string_equal(first.tags[i], f->root.tags[i]);
    }
}

static void test_round_trip(void **state)
{
    static const char *const texts[] = {
        "",
        "offset: -0.0\nrates: [0.1, 1e-300, 5e-324, 1.7976931348623157e308]\n",
        "offset: 0.30000000000000004\nppo: {clip: 0.3333333333333333}\n",
        "seed: 18446744073709551615\nsteps: 9223372036854775807\n",
        "tags: [\"null\", \"~\", yes, \"1\", \"a: b\", \"# x\", \"- x\", \"a\\\"b\\\\c\", "
        "\"\\t\\n\"]\n",
        "tags: [\"\\x80\\x85\\u2028\\ufeff\\uFFFE\\U0001F600\\xA0\", \"\xC3\xA9\", "
        "\"\\x7F\\x01\"]\n",
        "title: |\n  two\n  lines\n",
        "title: \"---\"\ntrace: \"...\"\n",
        "services: [{name: a, calls: [{to: b}, {to: c}]}, {name: b}, {name: c, calls: [{to: "
        "a}]}]\n",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(load(f, texts[i]), ERR_OK);
        assert_round_trip(f);
    }
}

static void test_round_trip_long_list(void **state)
{
    struct fixture *f = *state;
    char text[16384] = "seeds: [1";
    for (int i = 2; i <= 2000; i++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, ",%d", i);
    }
    strncat(text, "]\n", 3);
    assert_int_equal(load(f, text), ERR_OK);
    assert_int_equal(f->root.n_seeds, 2000);
    assert_round_trip(f);
    assert_int_equal(f->root.seeds[1999], 2000);
    assert_string_equal(cfg_where(&f->cfg, "seeds.0"), "t.yaml:12:9");
}

static void test_effects(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load(f, ""), ERR_OK);
    assert_string_equal(resolved(f, CFG_SPEED), "threads: 1\n");
    assert_string_equal(resolved(f, CFG_OUTPUT | CFG_SPEED),
                        "title: \"\"\nthreads: 1\ntags: []\npalette: [red]\n");
}

static enum err hash_of_path(uint64_t *hash, void *ctx, const char *path)
{
    (void)path;
    *hash = *(uint64_t *)ctx;
    return ERR_OK;
}

static enum err no_hash(uint64_t *hash, void *ctx, const char *path)
{
    (void)hash;
    (void)ctx;
    (void)path;
    return ERR_IO;
}

static void test_digest(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load(f, ""), ERR_OK);
    uint64_t plain = digest(f);
    assert_int_equal(load(f, "threads: 8\ntitle: x\npalette: []\n"), ERR_OK);
    assert_true(digest(f) == plain);
    assert_int_equal(load(f, "services: [{name: web, calls: [{to: db, share: 0.5}]}, {name: d}]"),
                     ERR_OK);
    assert_true(digest(f) != plain);
    /* paths by content */
    uint64_t content = 5;
    uint64_t a = 0;
    uint64_t b = 0;
    assert_int_equal(load(f, "trace: x\n"), ERR_OK);
    assert_int_equal(cfg_digest(&a, ROWS, &f->root, hash_of_path, &content), ERR_OK);
    assert_int_equal(load(f, "trace: y\n"), ERR_OK);
    assert_int_equal(cfg_digest(&b, ROWS, &f->root, hash_of_path, &content), ERR_OK);
    assert_true(a == b);
    content = 6;
    assert_int_equal(cfg_digest(&b, ROWS, &f->root, hash_of_path, &content), ERR_OK);
    assert_true(a != b);
    assert_int_equal(cfg_digest(&b, ROWS, &f->root, no_hash, NULL), ERR_IO);
}

/* The origin of the value, in Python:
 *     h = 0xcbf29ce484222325
 *     for b in b"epochs: 4\n": h = (h ^ b) * 0x100000001b3 % 2**64 */
static void test_digest_value(void **state)
{
    static const struct cfg_field rows[] = {
        CFG_INT(struct ppo_cfg, epochs, "4", 1, 9, "", CFG_RESULT, "passes"), CFG_END};
    struct ppo_cfg ppo = {.epochs = 4};
    uint64_t d = 0;
    (void)state;
    assert_int_equal(cfg_digest(&d, rows, &ppo, NULL, NULL), ERR_OK);
    assert_true(d == 0x033703377709B3F3U);
}

static void test_diff(void **state)
{
    struct fixture *f = *state;
    int n = -1;
    assert_int_equal(load(f, ""), ERR_OK);
    struct root_cfg a = f->root;
    assert_int_equal(cfg_diff(&f->buf, &n, ROWS, &a, &f->root), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(f->buf.len, 0);
    const char *const sets[] = {"ppo.clip=0.3",        "threads=9",           "hidden=[8]",
                                "services.0.cpu_m=50", "services.0.calls=[]", "trace=x y"};
    assert_int_equal(cfg_load(&f->cfg, NULL, sets, 6, &f->root), ERR_OK);
    assert_int_equal(cfg_diff(&f->buf, &n, ROWS, &a, &f->root), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    assert_int_equal(n, 5);
    assert_string_equal((char *)f->buf.data, "ppo.clip: 0.2 -> 0.3\n"
                                             "trace: \"\" -> \"x y\"\n"
                                             "hidden: [64, 64] -> [8]\n"
                                             "services.0.cpu_m: 100 -> 50\n"
                                             "services.0.calls: 1 elements -> 0 elements\n");
}

static void test_doc(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cfg_doc(&f->buf, ROWS), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    const char *text = (const char *)f->buf.data;
    static const char *const expected[] = {
        "\nppo:              # policy optimisation\n"
        "  clip: 0.2       # PPO clip range; a number from 0.01 to 1\n",
        "\nthreads: 1        # threads per rank; a whole number from 1 to 64 [speed]\n",
        "\ncolour: red       # colour; one of red, green\n"
        "                  #   red: warm\n"
        "                  #   green: cold\n",
        "\ntitle: \"\"         # title of figures [output]\n",
        "\n#  - name:        # name of the service; required\n"
        "#    cpu_m: 100   # CPU limit; a whole number from 10 to 8000 m\n",
        "\n#      - to:      # name of the callee; required\n"
        "#        share: 1 # share of requests; a number from 0 to 1\n",
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(text, expected[i]) == NULL) {
            fail_msg("expected %s in:\n%s", expected[i], text);
        }
    }
    char *copy = arena_strdup(&f->arena, text);
    assert_int_equal(load(f, copy), ERR_OK);
    assert_string_equal(resolved(f, CFG_ALL), DEFAULT_TEXT);
}

static void test_choice_name(void **state)
{
    (void)state;
    assert_string_equal(cfg_choice_name(COLOURS, COLOUR_GREEN), "green");
    assert_string_equal(cfg_choice_name(COLOURS, 99), "?");
}

/* Failing memory ------------------------------------------------------------------------------ */

/* Everything once, in an arena of its own: a load with include, sets and places, and all printing.
 */
static enum err everything(const struct fixture *f, struct buf *b)
{
    struct arena arena;
    struct cfg cfg;
    struct root_cfg root;
    uint64_t d = 0;
    int n = 0;
    const char *const sets[] = {"services.0.cpu_m=50", "seeds=[1, 2]", "trace=x"};
    arena_init(&arena);
    cfg_init(&cfg, ROWS, sizeof root, &arena);
    enum err e = cfg_load(&cfg, in_dir(f, "m.yaml"), sets, 3, &root);
    if (e == ERR_OK) {
        e = cfg_print_resolved(b, ROWS, &root, CFG_ALL);
    }
    if (e == ERR_OK) {
        e = cfg_doc(b, ROWS);
    }
    if (e == ERR_OK) {
        e = cfg_digest(&d, ROWS, &root, NULL, NULL);
    }
    if (e == ERR_OK) {
        e = cfg_diff(b, &n, ROWS, &root, &root);
    }
    if (e == ERR_OK) {
        assert_non_null(cfg_where(&cfg, "services.0.cpu_m"));
    }
    arena_release(&arena);
    return e;
}

static void test_memory_failure(void **state)
{
    struct fixture *f = *state;
    uint64_t n = 0;
    enum err e = ERR_MEMORY;
    make_dir(f);
    write_file(f, "m.yaml", "include: i.yaml\nppo: {clip: 0.1}\ntraces: [i.yaml]\n");
    write_file(f, "i.yaml", "services: [{name: a, calls: [{to: b}]}]\n");
    do {
        struct buf b;
        buf_init(&b);
        n++;
        mem_fail_after(n);
        uint64_t before = mem_calls();
        e = everything(f, &b);
        uint64_t calls = mem_calls() - before;
        mem_fail_after(0);
        buf_release(&b);
        assert_true(e == ERR_MEMORY || (e == ERR_OK && calls < n));
    } while (e == ERR_MEMORY && n < 1000);
    remove_dir(f, (const char *const[]){"m.yaml", "i.yaml", NULL});
    assert_int_equal(e, ERR_OK);
    assert_true(n > 5);
}

/* Bytes that a new arena hands out from its first chunk, in pieces of MEM_ALIGN. */
static size_t chunk_capacity(void)
{
    struct arena arena;
    size_t n = 0;
    arena_init(&arena);
    assert_non_null(arena_alloc(&arena, 1, 1));
    uint64_t calls = mem_calls();
    for (; mem_calls() == calls; n += MEM_ALIGN) {
        assert_non_null(arena_alloc(&arena, 1, MEM_ALIGN));
    }
    arena_release(&arena);
    return n;
}

/* Load with that many bytes of the arena's chunk used up, and the n-th allocation failing. */
static enum err load_squeezed(size_t filled, const char *text, uint64_t n)
{
    const char *const sets[] = {"services.0.cpu_m=50", "seeds.1=2", "trace=x"};
    struct arena arena;
    struct cfg cfg;
    struct root_cfg root;
    arena_init(&arena);
    cfg_init(&cfg, ROWS, sizeof root, &arena);
    assert_non_null(arena_alloc(&arena, 1, filled));
    mem_fail_after(n);
    enum err e = cfg_load_text(&cfg, "d/t.yaml", text, sets, 3, &root);
    mem_fail_after(0);
    arena_release(&arena);
    return e;
}

/* The chunk runs out at each arena call in turn, and the next one is refused. */
static void test_memory_failure_at_each_call(void **state)
{
    struct fixture *f = *state;
    static const char *const text = "ppo: {clip: 0.1}\ntags: [a, b]\ntrace: t\n"
                                    "services: [{name: a, calls: [{to: b}]}]\n";
    assert_int_equal(load(f, text), ERR_OK);
    size_t need = f->arena.bytes;
    size_t capacity = chunk_capacity();
    int failures = 0;
    for (size_t room = 0; room < need; room += MEM_ALIGN) {
        for (uint64_t n = 1; n <= 3; n++) {
            enum err e = load_squeezed(capacity - room, text, n);
            assert_true(e == ERR_OK || e == ERR_MEMORY);
            failures += e == ERR_MEMORY;
        }
    }
    assert_true(failures >= (int)(need / MEM_ALIGN));
}

/* The same for the tree: a list whose nodes fill more than one chunk of the scratch arena. */
static void test_memory_failure_in_tree(void **state)
{
    int failures = 0;
    (void)state;
    for (int length = 200; length < 600; length += 7) {
        char text[4096] = "seeds: [1";
        size_t len = strlen(text);
        for (int i = 1; i < length; i++) {
            len += (size_t)snprintf(text + len, sizeof text - len, ",1");
        }
        (void)snprintf(text + len, sizeof text - len, "]\ntitle: x\nppo: {clip: 1}\n");
        for (uint64_t n = 1; n <= 4; n++) {
            enum err e = load_squeezed(1, text, n);
            assert_true(e == ERR_OK || e == ERR_MEMORY);
            failures += e == ERR_MEMORY;
        }
    }
    assert_true(failures > 60);
}

/* A failed load gives its memory back and leaves the places of the load before. */
static void test_arena_given_back_on_failure(void **state)
{
    struct fixture *f = *state;
    size_t before = f->arena.bytes;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(load(f, "tags: [a, b, c, d, e]\nthreads: 0\n"), ERR_CONFIG);
        assert_true(f->arena.bytes == before);
    }
    assert_int_equal(load(f, ""), ERR_OK);
    before = f->arena.bytes;
    assert_int_equal(load(f, "threads: 0\n"), ERR_CONFIG);
    assert_true(f->arena.bytes == before);
    assert_string_equal(cfg_where(&f->cfg, "services.0.name"), "default");
    assert_string_equal(f->root.services[0].name, "web");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_empty_files),
        TEST(test_values),
        TEST(test_untouched_on_failure),
        TEST(test_unknown_key),
        TEST(test_wrong_type),
        TEST(test_out_of_range),
        TEST(test_number_grammar),
        TEST(test_booleans),
        TEST(test_choices),
        TEST(test_duplicates),
        TEST(test_missing_keys),
        TEST(test_syntax),
        TEST(test_all_errors_shown),
        TEST(test_mutations),
        TEST(test_hostile_texts),
        TEST(test_too_many_values),
        TEST(test_long_keys),
        TEST(test_excerpts_are_cut),
        TEST(test_bad_defaults),
        TEST(test_sets),
        TEST(test_bad_sets),
        TEST(test_includes),
        TEST(test_include_cycle),
        TEST(test_unreadable_files),
        TEST(test_paths),
        TEST(test_where),
        TEST(test_sources),
        TEST(test_round_trip),
        TEST(test_round_trip_long_list),
        TEST(test_effects),
        TEST(test_digest),
        TEST(test_digest_value),
        TEST(test_diff),
        TEST(test_doc),
        TEST(test_choice_name),
        TEST(test_memory_failure),
        TEST(test_memory_failure_at_each_call),
        TEST(test_memory_failure_in_tree),
        TEST(test_arena_given_back_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
