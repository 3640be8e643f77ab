/* Fuzzes cfg_load(): YAML files, read by a table with every kind of row.
 *
 * A file that is accepted, printed and loaded again must give the same text and the same digest; a
 * refused one must leave the values alone. Inputs with an include or an escape are read as empty.
 */
#include "tests/config_rows.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static struct root_cfg values;

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
    cfg_init(&cfg, ROWS, sizeof values, scratch);
    const enum err e = cfg_load(&cfg, fuzz_source(), NULL, 0, &values);
    CHECK(e == ERR_OK || e == ERR_CONFIG || e == ERR_IO);
    return e;
}

static uint64_t digest_of(const struct root_cfg *v)
{
    uint64_t digest = 0;
    CHECK(cfg_digest(&digest, ROWS, v, NULL, NULL) == ERR_OK);
    return digest;
}

/* As text with a NUL behind it. */
static void print(struct buf *out, const struct root_cfg *v)
{
    CHECK(cfg_print_resolved(out, ROWS, v, CFG_ALL) == ERR_OK);
    CHECK(buf_append(out, "", 1) == ERR_OK);
}

static void check_printed(void)
{
    struct arena arena;
    struct buf text, again;
    struct cfg cfg;
    struct root_cfg back;
    arena_init(&arena);
    buf_init(&text);
    buf_init(&again);
    print(&text, &values);
    cfg_init(&cfg, ROWS, sizeof back, &arena);
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
    struct root_cfg untouched;
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
        "seed: 7\nsteps: 1e3\noffset: -.5\nppo: {normalise: false}\n"
        "colour: green\ntitle: \"a  b\"\n",
        "title: 'it''s'\nppo: {clip: 0.25}\nseeds: [1, 18446744073709551615]\nhidden: [8]\n",
        "services:\n  - name: a\n    calls:\n      - {to: b, share: 1}\n  - {name: b, cpu_m: 10}\n",
        "palette: [red, green]\nrates: [0, 1e300]\n",
        "title: |\n  two\n  lines\n",
        "tags: [a, 'b: c', \"# d\", \"\", \"true\", \"1\", \"null\", \"~\"]\n",
        "seed: 1\nseed: 2\n",
        "unknown: 1\nppo: 3\nservices: [{cpu_m: 1}]\n",
        "a: &x 1\nb: *x\n",
        "--- {seed: 1}\n--- {seed: 2}\n",
        "steps: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n",
        "{seed: 0x1F, steps: 1.5, offset: .nan, ppo: {normalise: yes}, "
        "colour: blue, hidden: [], rates: -1}",
        "seed: 1\n\tsteps: 2\n",
        "title: \"\\x00\"\n",
        "title: \xff\xfe\n",
        "ppo: !!str {clip: 1}\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fuzz_seed(files[i], strlen(files[i]));
    }
}

const struct fuzz_reader fuzz_reader = {
    .fixed = 1024 * 1024, .each = 1024, .read = read, .check = check, .seeds = seeds};
