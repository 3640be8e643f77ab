/* Fuzzes cfg_load(): YAML files, read by a table with every kind of row.
 *
 * A file that is accepted, printed and loaded again must give the same text and the same digest; a
 * refused one must leave the values alone. Inputs with an include or an escape are read as empty.
 */
#include "core/base/config.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>

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

struct values {
    struct call_cfg first;
    uint64_t seed;
    int64_t steps;
    double offset;
    bool wanted;
    int colour;
    const char *title;
    const char *trace;
    uint64_t *seeds;
    int n_seeds;
    int *hidden;
    int n_hidden;
    double *rates;
    int n_rates;
    const char **tags;
    int n_tags;
    int *palette;
    int n_palette;
    struct service_cfg *services;
    int n_services;
};

static const struct cfg_choice colours[] = {{"red", 0, "warm"}, {"green", 7, ""}, {NULL, 0, ""}};

static const struct cfg_field call_rows[] = {
    CFG_STRING(struct call_cfg, to, "db", CFG_RESULT, "callee"),
    CFG_DOUBLE(struct call_cfg, share, "1", 0, 1, "", CFG_RESULT, "share of requests"),
    CFG_END,
};

static const struct cfg_field service_rows[] = {
    CFG_STRING(struct service_cfg, name, CFG_REQUIRED, CFG_RESULT, "name"),
    CFG_INT(struct service_cfg, cpu_m, "100", 10, 8000, "m", CFG_RESULT, "CPU limit"),
    CFG_LIST(struct service_cfg, calls, n_calls, struct call_cfg, call_rows, "[]", 0, 8, "callees"),
    CFG_END,
};

static const struct cfg_field rows[] = {
    CFG_TABLE(struct values, first, call_rows, "a table"),
    CFG_UINT64(struct values, seed, "1", CFG_RESULT, "64 bits"),
    CFG_INT64(struct values, steps, "1_000_000", CFG_NO_MIN, CFG_NO_MAX, "", CFG_RESULT, "steps"),
    CFG_DOUBLE(struct values, offset, "-2.5e-3", CFG_NO_MIN, CFG_NO_MAX, "ms", CFG_RESULT, "any"),
    CFG_BOOL(struct values, wanted, "true", CFG_RESULT, "yes or no"),
    CFG_ENUM(struct values, colour, "red", colours, CFG_RESULT, "colour"),
    CFG_STRING(struct values, title, "", CFG_OUTPUT, "title"),
    CFG_PATH(struct values, trace, "", CFG_RESULT, "file"),
    CFG_LIST_UINT64(struct values, seeds, n_seeds, "[1, 2, 3]", 1, 2000, CFG_RESULT, "seeds"),
    CFG_LIST_INT(struct values, hidden, n_hidden, "[64, 64]", 1, 4, 1, 1024, "", CFG_RESULT,
                 "widths"),
    CFG_LIST_DOUBLE(struct values, rates, n_rates, "[]", 0, 4, 0, CFG_NO_MAX, "1/s", CFG_RESULT,
                    "rates"),
    CFG_LIST_STRING(struct values, tags, n_tags, "[]", 0, 20, CFG_OUTPUT, "tags"),
    CFG_LIST_ENUM(struct values, palette, n_palette, int, colours, "[red]", 0, 4, CFG_OUTPUT,
                  "colours"),
    CFG_LIST(struct values, services, n_services, struct service_cfg, service_rows,
             "[{name: web, calls: [{to: db, share: 0.5}]}, {name: db}]", 1, 64, "services"),
    CFG_END,
};

static struct values values;

/* Files that an input names would make its result depend on the machine, or wait for a terminal. */
static bool names_files(const unsigned char *bytes, size_t n)
{
    return memmem(bytes, n, "nclude", 6) != NULL || memmem(bytes, n, "\\", 1) != NULL;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    struct cfg cfg;
    memset(&values, 0x5A, sizeof values);
    fuzz_to_file(bytes, names_files(bytes, n) ? 0 : n);
    cfg_init(&cfg, rows, sizeof values, scratch);
    const enum err e = cfg_load(&cfg, fuzz_source(), NULL, 0, &values);
    CHECK(e == ERR_OK || e == ERR_CONFIG || e == ERR_IO);
    return e;
}

static uint64_t digest_of(const struct values *v)
{
    uint64_t digest = 0;
    CHECK(cfg_digest(&digest, rows, v, NULL, NULL) == ERR_OK);
    return digest;
}

/* As text with a NUL behind it. */
static void print(struct buf *out, const struct values *v)
{
    CHECK(cfg_print_resolved(out, rows, v, CFG_ALL) == ERR_OK);
    CHECK(buf_append(out, "", 1) == ERR_OK);
}

static void check_printed(void)
{
    struct arena arena;
    struct buf text, again;
    struct cfg cfg;
    struct values back;
    arena_init(&arena);
    buf_init(&text);
    buf_init(&again);
    print(&text, &values);
    cfg_init(&cfg, rows, sizeof back, &arena);
    CHECK(cfg_load_text(&cfg, "printed", (const char *)text.data, NULL, 0, &back) == ERR_OK);
    print(&again, &back);
    CHECK(again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
    CHECK(digest_of(&back) == digest_of(&values));
    buf_release(&again);
    buf_release(&text);
    arena_release(&arena);
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    struct values untouched;
    (void)bytes;
    (void)n;
    memset(&untouched, 0x5A, sizeof untouched);
    if (e == ERR_OK) {
        check_printed();
    } else {
        CHECK(memcmp(&values, &untouched, sizeof values) == 0);
    }
}

static void seeds(void)
{
    static const char *const files[] = {
        "seed: 7\nsteps: -1e3\noffset: .5\nwanted: false\ncolour: green\ntitle: \"a  b\"\n",
        "first: {to: 'it''s', share: 0.25}\nseeds: [1, 18446744073709551615]\nhidden: [8]\n",
        "services:\n  - name: a\n    calls:\n      - {to: b, share: 1}\n  - {name: b, cpu_m: 10}\n",
        "palette: [red, green]\nrates: [0, 1e300]\n",
        "title: |\n  two\n  lines\n",
        "tags: [a, 'b: c', \"# d\", \"\", \"true\", \"1\", \"null\", \"~\"]\n",
        "seed: 1\nseed: 2\n",
        "unknown: 1\nfirst: 3\nservices: [{cpu_m: 1}]\n",
        "a: &x 1\nb: *x\n",
        "--- {seed: 1}\n--- {seed: 2}\n",
        "steps: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n",
        "{seed: 0x1F, steps: 1.5, offset: .nan, wanted: yes, colour: blue, hidden: [], rates: -1}",
        "seed: 1\n\tsteps: 2\n",
        "title: \"\\x00\"\n",
        "title: \xff\xfe\n",
        "first: !!str {to: a}\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fuzz_seed(files[i], strlen(files[i]));
    }
}

const struct fuzz_reader fuzz_reader = {
    .fixed = 1024 * 1024, .each = 1024, .read = read, .check = check, .seeds = seeds};
