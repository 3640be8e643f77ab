/* Printed configurations: what is printed loads back to the identical struct, digests, differences
 * and documentation. */
#include "tests/unit/config_fixture.h"

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

/* An element of which nothing is printed is an element all the same, wherever it stands. */
static void test_element_without_rows(void **state)
{
    struct item {
        int n;
        struct cfg_one shape;
    };
    struct list {
        struct item *items;
        int n_items;
    };
    static const struct cfg_field none[] = {CFG_END};
    static const struct cfg_kind square = {"square", "four sides", none, 1};
    static const struct cfg_kind *const kinds[] = {&square, NULL};
    static const struct cfg_field item_rows[] = {
        CFG_INT(struct item, n, "1", 0, 9, "", CFG_SPEED, "number"),
        CFG_ONE_OF(struct item, shape, kinds, "", CFG_RESULT, "shape"),
        CFG_END,
    };
    static const struct cfg_field rows[] = {
        CFG_LIST(struct list, items, n_items, struct item, item_rows, "[]", 0, 3, "items"),
        CFG_END,
    };
    struct fixture *f = *state;
    struct item items[3] = {{.n = 1}, {.n = 2, .shape = {&square, ""}}, {.n = 3}};
    const struct list list = {items, 3};
    f->buf.len = 0;
    assert_int_equal(cfg_print_resolved(&f->buf, rows, &list, CFG_RESULT), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    assert_string_equal((const char *)f->buf.data, "items:\n  - {}\n  - square: {}\n  - {}\n");
}

/* A row that came later changes no digest until it has another value than its default. */
static void test_later_rows(void **state)
{
    struct pair {
        int before, later;
        double *list;
        int n_list;
    };
    static const struct cfg_field old[] = {
        CFG_INT(struct pair, before, "1", 0, 9, "", CFG_RESULT, ""), CFG_END};
    static const struct cfg_field new[] = {
        CFG_INT(struct pair, before, "1", 0, 9, "", CFG_RESULT, ""),
        CFG_INT(struct pair, later, "2", 0, 9, "", CFG_RESULT | CFG_LATER, ""),
        CFG_LIST_DOUBLE(struct pair, list, n_list, "[0.5, 1]", 0, 9, 0, 9, "",
                        CFG_RESULT | CFG_LATER, ""),
        CFG_END};
    double list[2] = {0.5, 1.0};
    struct pair p = {1, 2, list, 2};
    uint64_t published, now;
    struct buf text;
    (void)state;
    assert_int_equal(cfg_digest(&published, old, &p, NULL, NULL), ERR_OK);
    assert_int_equal(cfg_digest(&now, new, &p, NULL, NULL), ERR_OK);
    assert_true(now == published);
    p.later = 3;
    assert_int_equal(cfg_digest(&now, new, &p, NULL, NULL), ERR_OK);
    assert_true(now != published);
    p.later = 2;
    list[1] = 1.5;
    assert_int_equal(cfg_digest(&now, new, &p, NULL, NULL), ERR_OK);
    assert_true(now != published);
    list[1] = 1.0;
    buf_init(&text); /* but what is printed for people is whole */
    assert_int_equal(cfg_print_resolved(&text, new, &p, CFG_ALL), ERR_OK);
    assert_int_equal(text.len, strlen("before: 1\nlater: 2\nlist: [0.5, 1]\n"));
    buf_release(&text);
}

/* Nor does a list of structs that came later, while it is empty. */
static void test_later_list(void **state)
{
    struct item {
        int n;
    };
    struct outer {
        int before;
        struct item *items;
        int n_items;
    };
    static const struct cfg_field rows[] = {
        CFG_INT(struct item, n, CFG_REQUIRED, 0, 9, "", CFG_RESULT, ""), CFG_END};
    static const struct cfg_field old[] = {
        CFG_INT(struct outer, before, "1", 0, 9, "", CFG_RESULT, ""), CFG_END};
    static const struct cfg_field new[] = {
        CFG_INT(struct outer, before, "1", 0, 9, "", CFG_RESULT, ""),
        CFG_LIST_LATER(struct outer, items, n_items, struct item, rows, 9, ""), CFG_END};
    struct item item = {3};
    struct outer o = {1, &item, 0};
    uint64_t published, now, other;
    (void)state;
    assert_int_equal(cfg_digest(&published, old, &o, NULL, NULL), ERR_OK);
    assert_int_equal(cfg_digest(&now, new, &o, NULL, NULL), ERR_OK);
    assert_true(now == published);
    o.n_items = 1;
    assert_int_equal(cfg_digest(&now, new, &o, NULL, NULL), ERR_OK);
    assert_true(now != published);
    item.n = 4;
    assert_int_equal(cfg_digest(&other, new, &o, NULL, NULL), ERR_OK);
    assert_true(other != now);
}

/* Nor does a table that came later, while all its rows have their defaults. */
static void test_later_table(void **state)
{
    struct element {
        int of_list;
        const char *name;
    };
    struct inner {
        int later;
        const char *text;
        struct element *list;
        int n_list;
    };
    struct outer {
        int before;
        struct inner inner;
    };
    static const struct cfg_field element_rows[] = {
        CFG_INT(struct element, of_list, "2", 0, 9, "", CFG_RESULT | CFG_LATER, ""),
        CFG_STRING(struct element, name, CFG_REQUIRED, CFG_RESULT | CFG_LATER, ""), CFG_END};
    static const struct cfg_field rows[] = {
        CFG_INT(struct inner, later, "2", 0, 9, "", CFG_RESULT | CFG_LATER, ""),
        CFG_STRING(struct inner, text, "", CFG_RESULT | CFG_LATER, ""),
        CFG_LIST(struct inner, list, n_list, struct element, element_rows, "[]", 0, 9, ""),
        CFG_END};
    static const struct cfg_field old[] = {
        CFG_INT(struct outer, before, "1", 0, 9, "", CFG_RESULT, ""), CFG_END};
    static const struct cfg_field new[] = {
        CFG_INT(struct outer, before, "1", 0, 9, "", CFG_RESULT, ""),
        CFG_TABLE(struct outer, inner, rows, ""), CFG_END};
    struct element element = {2, "required"};
    struct outer o = {1, {2, "", &element, 0}};
    uint64_t published, now;
    (void)state;
    assert_int_equal(cfg_digest(&published, old, &o, NULL, NULL), ERR_OK);
    assert_int_equal(cfg_digest(&now, new, &o, NULL, NULL), ERR_OK);
    assert_true(now == published);
    o.inner.later = 3;
    assert_int_equal(cfg_digest(&now, new, &o, NULL, NULL), ERR_OK);
    assert_true(now != published);
    o.inner.later = 2;
    o.inner.text = "given";
    assert_int_equal(cfg_digest(&now, new, &o, NULL, NULL), ERR_OK);
    assert_true(now != published);
    o.inner.text = "";
    o.inner.n_list = 1; /* an element with its defaults is one more than none */
    assert_int_equal(cfg_digest(&now, new, &o, NULL, NULL), ERR_OK);
    assert_true(now != published);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip), TEST(test_round_trip_long_list), TEST(test_effects),
        TEST(test_later_rows), TEST(test_later_list),           TEST(test_later_table),
        TEST(test_digest),     TEST(test_digest_value),         TEST(test_diff),
        TEST(test_doc),        TEST(test_choice_name),          TEST(test_element_without_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
