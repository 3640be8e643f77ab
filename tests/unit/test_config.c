/* Configuration: values, overrides, files that include others, the places of values, and memory
 * that runs out. */
#include "tests/unit/config_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- values ---- */

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
                                "trace=\"\"",
                                "title=#2"};
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
    assert_int_equal(cfg_load_text(&f->cfg, "t.yaml", "ppo: {clip: 0.1}\n", sets, 11, &f->root),
                     ERR_OK);
    assert_string_equal(f->root.title, "#2");
}

/* ---- files ---- */

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

/* ---- places ---- */

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

static void test_unused_sets(void **state)
{
    struct fixture *f = *state;
    static const char *const ppo[] = {"ppo", NULL};
    static const char *const clip[] = {"ppo.clip", "seed", NULL};
    static const char *const near[] = {"pp", "ppo.cli", "services.0", NULL};
    char key[CFG_KEY_MAX] = "";
    assert_int_equal(load_set(f, "seed: 4\n", "ppo.clip=0.3"), ERR_OK);
    assert_false(cfg_find_unused_set(&f->cfg, key, ppo)); /* seed is of the file */
    assert_false(cfg_find_unused_set(&f->cfg, key, clip));
    assert_true(cfg_find_unused_set(&f->cfg, key, near)); /* a part of a name covers nothing */
    assert_string_equal(key, "ppo.clip");
    assert_int_equal(load_set(f, "seed: 4\n", "services=[{name: a}, {name: b}]"), ERR_OK);
    assert_true(cfg_find_unused_set(&f->cfg, key, near)); /* services.0 is covered */
    assert_string_equal(key, "services.1.name");
    assert_int_equal(load_set(f, "seed: 4\n", "ppo={clip: 0.3, epochs: 3}"), ERR_OK);
    assert_true(cfg_find_unused_set(&f->cfg, key, clip));
    assert_string_equal(key, "ppo.epochs");
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

/* ---- failing memory ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_empty_files),
        TEST(test_values),
        TEST(test_untouched_on_failure),
        TEST(test_sets),
        TEST(test_includes),
        TEST(test_include_cycle),
        TEST(test_unreadable_files),
        TEST(test_paths),
        TEST(test_where),
        TEST(test_unused_sets),
        TEST(test_sources),
        TEST(test_memory_failure),
        TEST(test_memory_failure_at_each_call),
        TEST(test_memory_failure_in_tree),
        TEST(test_arena_given_back_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
