/* CFG_ONE_OF: one of several kinds, its parameters in a map of that kind. */
#include "core/base/config.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

/* ---- kinds: one without parameters, two that share a name, one with a kind inside ---- */

struct square {
    double size;
    int corners;
};
struct circle {
    double size;
    int *rings;
    int n_rings;
};
struct inner {
    struct cfg_one shape;
};
struct frame {
    struct inner rule, mount;
    double share;
};

extern const struct cfg_kind *const KINDS[];
static const struct cfg_field NO_ROWS[] = {CFG_END};
static const struct cfg_field SQUARE_ROWS[] = {
    CFG_DOUBLE(struct square, size, "1", 0, 9, "cm", CFG_RESULT, "length of a side"),
    CFG_INT(struct square, corners, "4", 0, 9, "", CFG_SPEED, "round ones"),
    CFG_RENAMED("width", "size"),
    CFG_END,
};
static const struct cfg_field CIRCLE_ROWS[] = {
    CFG_DOUBLE(struct circle, size, CFG_REQUIRED, 0, 9, "cm", CFG_RESULT, "diameter"),
    CFG_LIST_INT(struct circle, rings, n_rings, "[1]", 0, 4, 0, 9, "", CFG_RESULT, "inside"),
    CFG_END,
};
static const struct cfg_field INNER_ROWS[] = {
    CFG_ONE_OF(struct inner, shape, KINDS, "", CFG_RESULT, "shape"),
    CFG_END,
};
static const struct cfg_field MOUNT_ROWS[] = {
    CFG_ONE_OF(struct inner, shape, KINDS, "square", CFG_RESULT, "shape"),
    CFG_END,
};
static const struct cfg_field FRAME_ROWS[] = {
    CFG_TABLE(struct frame, rule, INNER_ROWS, "what is framed"),
    CFG_TABLE(struct frame, mount, MOUNT_ROWS, "what is around it"),
    CFG_REPLACED("rule", "old", "inner: new"),
    CFG_DOUBLE(struct frame, share, "0.5", 0, 1, "", CFG_RESULT, "of the page"),
    CFG_END,
};
static const struct cfg_kind DOT = {"dot", "a point", NO_ROWS, 1};
static const struct cfg_kind SQUARE = {"square", "four sides", SQUARE_ROWS, sizeof(struct square)};
static const struct cfg_kind CIRCLE = {"circle", "one side", CIRCLE_ROWS, sizeof(struct circle)};
static const struct cfg_kind FRAME = {"frame", "around another", FRAME_ROWS, sizeof(struct frame)};
const struct cfg_kind *const KINDS[] = {&DOT, &SQUARE, &CIRCLE, &FRAME, NULL};

struct figure {
    const char *name;
    struct cfg_one shape;
};
struct page {
    struct figure *figures;
    int n_figures;
    struct figure cover;
    int pages;
    int paper;
};
static const struct cfg_choice PAPERS[] = {
    {"white", 0, "bright"}, {"grey", 1, ""}, {"ivory", CFG_OLDER, "paper: white"}, {NULL, 0, NULL}};
static const struct cfg_field FIGURE_ROWS[] = {
    CFG_STRING(struct figure, name, "", CFG_OUTPUT, "below it"),
    CFG_ONE_OF(struct figure, shape, KINDS, CFG_REQUIRED, CFG_RESULT, "shape"),
    CFG_END,
};
static const struct cfg_field COVER_ROWS[] = {
    CFG_STRING(struct figure, name, "", CFG_OUTPUT, "below it"),
    CFG_ONE_OF(struct figure, shape, KINDS, "square", CFG_RESULT, "shape"),
    CFG_END,
};
static const struct cfg_field ROWS[] = {
    CFG_LIST(struct page, figures, n_figures, struct figure, FIGURE_ROWS, "[dot]", 0, 8, "drawn"),
    CFG_TABLE(struct page, cover, COVER_ROWS, "in front"),
    CFG_INT(struct page, pages, "1", 1, 9, "", CFG_RESULT, "how many"),
    CFG_ENUM(struct page, paper, "white", PAPERS, CFG_RESULT, "colour of it"),
    CFG_END,
};

struct fixture {
    struct arena arena;
    struct heard log;
    struct cfg cfg;
    struct page page;
    struct buf buf;
};

static int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    arena_init(&f.arena);
    buf_init(&f.buf);
    cfg_init(&f.cfg, ROWS, sizeof f.page, &f.arena);
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

static enum err load_sets(struct fixture *f, const char *text, const char *const *sets, int n)
{
    heard_forget(&f->log);
    return cfg_load_text(&f->cfg, "t.yaml", text, sets, n, &f->page);
}

static void loads(struct fixture *f, const char *text)
{
    if (load_sets(f, text, NULL, 0) != ERR_OK) {
        fail_msg("'%s' is refused: %s", text, f->log.text);
    }
}

static void loads_set(struct fixture *f, const char *text, const char *set)
{
    if (load_sets(f, text, &set, 1) != ERR_OK) {
        fail_msg("'%s' and %s are refused: %s", text, set, f->log.text);
    }
}

/* With one sentence, of which `says` is a part. */
static void refused(struct fixture *f, const char *text, const char *set, const char *says)
{
    assert_int_equal(load_sets(f, text, &set, set != NULL ? 1 : 0), ERR_CONFIG);
    if (f->log.n != 1 || strstr(f->log.text, says) == NULL) {
        fail_msg("'%s' says: %s expected: %s", text, f->log.text, says);
    }
}

static const char *printed(struct fixture *f, unsigned effects)
{
    f->buf.len = 0;
    assert_int_equal(cfg_print_resolved(&f->buf, ROWS, &f->page, effects), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    return (const char *)f->buf.data;
}

static const struct square *square_of(const struct figure *figure)
{
    assert_ptr_equal(figure->shape.kind, &SQUARE);
    return figure->shape.params;
}

/* ---- reading ---- */

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    loads(f, "");
    assert_int_equal(f->page.n_figures, 1);
    assert_ptr_equal(f->page.figures[0].shape.kind, &DOT);
    assert_true(square_of(&f->page.cover)->size == 1.0);
    assert_int_equal(square_of(&f->page.cover)->corners, 4);
}

/* A map, nothing below the key, and the name alone: all the same. */
static void test_ways_to_write_it(void **state)
{
    struct fixture *f = *state;
    loads(f, "figures:\n"
             "  - {name: a, square: {size: 2}}\n"
             "  - square: {size: 2}\n"
             "    name: b\n"
             "  - {square: {}}\n"
             "  - square:\n"
             "  - square\n"
             "  - {name: none, frame: {rule: {}}}\n"
             "  - frame: {rule: {circle: {size: 3, rings: [1, 2]}}, share: 0.25}\n"
             "  - frame: {rule: square}\n"
             "cover: dot\n");
    const struct figure *all = f->page.figures;
    assert_int_equal(f->page.n_figures, 8);
    assert_true(square_of(&all[0])->size == 2.0 && square_of(&all[1])->size == 2.0);
    for (int i = 2; i < 5; i++) {
        assert_true(square_of(&all[i])->size == 1.0);
    }
    assert_null(((const struct frame *)all[5].shape.params)->rule.shape.kind);
    const struct frame *frame = all[6].shape.params;
    const struct circle *circle = frame->rule.shape.params;
    assert_ptr_equal(frame->rule.shape.kind, &CIRCLE);
    assert_int_equal(circle->n_rings, 2);
    assert_true(frame->share == 0.25);
    assert_ptr_equal(((const struct frame *)all[7].shape.params)->rule.shape.kind, &SQUARE);
    assert_ptr_equal(f->page.cover.shape.kind, &DOT);
}

/* What stands later merges into the same kind and replaces another one. */
static void test_overrides(void **state)
{
    static const char text[] = "cover: {name: x, square: {size: 3}}\n";
    static const char *const sets[] = {"cover.circle={size: 2}", "cover.circle.rings=[4]"};
    struct fixture *f = *state;
    loads_set(f, text, "cover.square.corners=6");
    assert_true(square_of(&f->page.cover)->size == 3.0);
    assert_int_equal(square_of(&f->page.cover)->corners, 6);
    loads_set(f, text, "cover={square: {corners: 7}}");
    assert_true(square_of(&f->page.cover)->size == 3.0);
    loads_set(f, text, "cover=dot");
    assert_ptr_equal(f->page.cover.shape.kind, &DOT);
    assert_string_equal(f->page.cover.name, "x");
    assert_int_equal(load_sets(f, text, sets, 2), ERR_OK);
    assert_ptr_equal(f->page.cover.shape.kind, &CIRCLE);
    assert_int_equal(((const struct circle *)f->page.cover.shape.params)->rings[0], 4);
}

static void test_places(void **state)
{
    char key[CFG_KEY_MAX];
    static const char *const all[] = {"figures", NULL}, *const none[] = {"pages", NULL};
    struct fixture *f = *state;
    loads_set(f, "figures:\n  - square:\n      size: 2\n", "figures.0.square.corners=5");
    assert_string_equal(cfg_where(&f->cfg, "figures.0.square.size"), "t.yaml:3:13");
    assert_string_equal(cfg_where(&f->cfg, "figures.0.square.corners"),
                        "--set figures.0.square.corners=5");
    assert_string_equal(cfg_where(&f->cfg, "cover.square.size"), "default");
    (void)cfg_where(&f->cfg, "figures.0.circle.size"); /* a kind that was not chosen */
    assert_true(cfg_find_unused_set(&f->cfg, key, none));
    assert_string_equal(key, "figures.0.square.corners");
    assert_false(cfg_find_unused_set(&f->cfg, key, all));
    loads_set(f, "", "cover=dot");
    assert_true(cfg_find_unused_set(&f->cfg, key, none));
    assert_string_equal(key, "cover.dot");
    loads_set(f, "", "figures=[square]");
    assert_true(cfg_find_unused_set(&f->cfg, key, none));
    assert_string_equal(key, "figures.0.square");
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    refused(f, "figures: [{name: a}]", NULL,
            "figures.0: its shape is missing; add one of dot, square, circle or frame");
    refused(f, "figures: [{dot: {}, square: {}}]", NULL,
            "both dot and square are given, but there is one shape; remove one of the two");
    refused(f, "figures:\n  - dot: {}\n    dot: {}", NULL,
            "figures.0: dot is given twice, first in line 2; remove one of the two");
    refused(f, "figures: [{circle: {}}]", NULL, "figures.0.circle.size: missing; add 'size: ...'");
    refused(f, "figures: [{frame: {rule: circle}}]", NULL,
            "figures.0.frame.rule.circle.size: missing");
    refused(f, "figures: [squares]", NULL,
            "figures.0: found 'squares', which is no shape; did you mean 'square'?");
    refused(f, "cover: 7", NULL,
            "cover: found '7', which is no shape; write one of dot, square, circle or frame");
    refused(f, "figures: [{squares: {}, dot: {}}]", NULL, "did you mean 'square'?");
    refused(f, "figures: [{dot: {size: 1}}]", NULL,
            "figures.0.dot: unknown key 'size'; there are no keys here; leave it out");
    refused(f, "figures: [dot, dot]", "figures.01.dot={}", "no element '01'");
    refused(f, "figures: [{square: {size: 10}}]", NULL, "figures.0.square.size: found");
    refused(f, "figures: [{square: {width: 1}}]", NULL,
            "unknown key 'width'; it is called 'size' now");
    refused(f, "", "cover.square.width=1", "unknown key 'width'; it is called 'size' now");
    refused(f, "figures: [{square: 7}]", NULL, "write its keys below it");
    refused(f, "", "cover.circle.size=2",
            "cover: the shape there is square, so circle has no parameters to set; write --set "
            "'cover.circle={KEY: VALUE}' to choose circle instead");
    refused(f, "", "cover.shape=dot", "cover: unknown key 'shape'");
}

/* Parameters beside the kind: where they have to stand. */
static void test_older_forms(void **state)
{
    struct fixture *f = *state;
    refused(f, "figures: [{name: a, kind: square, size: 2, corners: 3}]", NULL,
            "t.yaml:1:21: figures.0: the parameters of a kind stand in a map of that kind; write "
            "{name: a, square: {size: 2, corners: 3}}");
    refused(f, "figures: [{kind: circle, rings: [1, 2], size: 3}]", NULL,
            "write {circle: {rings: [1, 2], size: 3}}");
    refused(f, "figures: [{kind: square, width: 2, name: \"x y\"}]", NULL,
            "write {name: \"x y\", square: {size: 2}}");
    refused(f, "figures: [{kind: frame, rule: square, size: 2, share: 1}]", NULL,
            "write {frame: {rule: {square: {size: 2}}, share: 1}}");
    refused(f, "figures: [{kind: frame, rule: uniform, share: 1}]", NULL,
            "write {frame: {share: 1}}");
    refused(f, "figures: [{kind: dot}]", NULL, "write {dot: {}}");
    refused(f, "figures: [{kind: square, square: {size: 2}, corners: 3}]", NULL,
            "write {square: {size: 2, corners: 3}}");
    refused(f, "figures: [{kind: square, sise: 2, path: x, dot: {}}]", NULL,
            "write {square: {}}; left out, because square has no such parameter: 'sise' (did you "
            "mean 'size'?), 'path', 'dot'");
    refused(f, "figures: [{kind: square, name: 'say \"x\" \\ y'}]", NULL,
            "write {name: \"say \\\"x\\\" \\\\ y\", square: {}}");
    refused(f, "figures:\n  - kind: dot\n    name: a, b\n", NULL,
            "write {name: \"a, b\", dot: {}}");
    refused(f, "figures: [{kind: circle, size: 3, rings: [1, 2, 3, 4, 5, 6]}]", NULL,
            "write {circle: {size: 3, rings: [1, 2, 3, 4, and the other 2]}}");
    refused(f, "figures: [{kind: frame, rule: old, share: 1}]", NULL,
            "write {frame: {inner: new, share: 1}}");
    refused(f, "figures: [{kind: frame, size: 2, share: 1}]", NULL,
            "write {frame: {share: 1, mount: {square: {size: 2}}}}");
    refused(f, "figures: [{kind: frame, mount: sqare, share: 1}]", NULL, "'mount' with that value");
    refused(f, "figures: [{kind: sqare, size: 2}]", NULL,
            "figures.0: found 'sqare', which is no shape; did you mean 'square'? Write it as a key "
            "with its parameters in a map: square: {KEY: VALUE}");
    refused(f, "cover: {corners: 3}", NULL,
            "cover: unknown key 'corners'; it is a parameter; write square: {corners: VALUE}");
    refused(f, "cover: {size: 3}", NULL, "write square: {size: VALUE} or circle: {size: VALUE}");
    refused(f, "", "cover.corners=3", "write square.corners=VALUE");
    refused(f, "paper: ivory", NULL,
            "paper: found 'ivory', allowed is one of white, grey; write paper: white");
}

static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    bool done = false;
    for (int n = 1; !done; n++) {
        mem_fail_after((uint64_t)n);
        const enum err e = load_sets(f, "cover: {frame: {rule: {circle: {size: 1}}}}", NULL, 0);
        mem_fail_after(0);
        done = e == ERR_OK;
        assert_true(done || e == ERR_MEMORY);
        assert_true(n < 1000);
        arena_release(&f->arena);
        arena_init(&f->arena);
    }
}

/* ---- printing ---- */

static const char SOME[] = "figures: [{name: a, square: {size: 2}}, dot, {frame: {rule: square}}]\n"
                           "cover: {circle: {size: 0.5}}\n";

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    loads(f, SOME);
    char *first = arena_strdup(&f->arena, printed(f, CFG_ALL));
    assert_string_equal(first, "figures:\n"
                               "  - name: a\n"
                               "    square:\n"
                               "      size: 2\n"
                               "      corners: 4\n"
                               "  - name: \"\"\n"
                               "    dot: {}\n"
                               "  - name: \"\"\n"
                               "    frame:\n"
                               "      rule:\n"
                               "        square:\n"
                               "          size: 1\n"
                               "          corners: 4\n"
                               "      mount:\n"
                               "        square:\n"
                               "          size: 1\n"
                               "          corners: 4\n"
                               "      share: 0.5\n"
                               "cover:\n"
                               "  name: \"\"\n"
                               "  circle:\n"
                               "    size: 0.5\n"
                               "    rings: [1]\n"
                               "pages: 1\n"
                               "paper: white\n");
    loads(f, first);
    assert_string_equal(printed(f, CFG_ALL), first);
    assert_null(strstr(printed(f, CFG_RESULT), "corners"));
}

/* Only what is a result counts: the kind and its parameters do, names and speed do not. */
static void test_digest_and_difference(void **state)
{
    static const struct {
        const char *set, *differ;
    } cases[] = {
        {"figures.0.name=other", ""},
        {"figures.0.square.corners=2", ""},
        {"figures.0.square.size=3", "figures.0.square.size: 2 -> 3\n"},
        {"figures.0=dot", "figures.0: square -> dot\n"},
        {"figures.2.frame.rule.square.size=2", "figures.2.frame.rule.square.size: 1 -> 2\n"},
        {"figures.2.frame.rule=dot", "figures.2.frame.rule: square -> dot\n"},
        {"cover.circle.rings=[]", "cover.circle.rings: [1] -> []\n"},
    };
    struct fixture *f = *state;
    loads(f, SOME);
    const struct page before = f->page;
    uint64_t digest_before, digest_after;
    assert_int_equal(cfg_digest(&digest_before, ROWS, &before, NULL, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = 0;
        loads_set(f, SOME, cases[i].set);
        f->buf.len = 0;
        assert_int_equal(cfg_diff(&f->buf, &n, ROWS, &before, &f->page), ERR_OK);
        assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
        assert_string_equal((const char *)f->buf.data, cases[i].differ);
        assert_int_equal(cfg_digest(&digest_after, ROWS, &f->page, NULL, NULL), ERR_OK);
        assert_int_equal(digest_before == digest_after, cases[i].differ[0] == '\0');
    }
}

static const char *value_of(struct fixture *f, const char *key)
{
    struct cfg_value value;
    if (!cfg_find_value(&value, &f->cfg, &f->page, key)) {
        return NULL;
    }
    f->buf.len = 0;
    assert_int_equal(cfg_print_value(&f->buf, &value), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    return (const char *)f->buf.data;
}

/* A dotted key leads to its row and its value; one that leads to none, or not to a value, to
 * nothing. What is printed loads back as a --set. */
static void test_values(void **state)
{
    static const char *const none[] = {"figures",
                                       "figures.0",
                                       "figures.7.square.size",
                                       "figures.0.dot",
                                       "figures.1.square.size",
                                       "cover.square",
                                       "cover.shape",
                                       "pagers",
                                       "pages.1",
                                       "figures.0.width",
                                       ""};
    struct fixture *f = *state;
    struct cfg_value value;
    loads(f, SOME);
    assert_string_equal(value_of(f, "figures.0.square.size"), "2");
    assert_string_equal(value_of(f, "figures.2.frame.rule.square.size"), "1");
    assert_string_equal(value_of(f, "paper"), "white");
    assert_string_equal(value_of(f, "cover.circle.rings"), "[1]");
    assert_string_equal(value_of(f, "cover.circle.rings.0"), "1");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (value_of(f, none[i]) != NULL) {
            fail_msg("'%s' is %s", none[i], (const char *)f->buf.data);
        }
    }
    assert_true(cfg_find_value(&value, &f->cfg, &f->page, "figures.0.square.size"));
    assert_int_equal(value.type, CFG_TYPE_DOUBLE);
    assert_string_equal(value.field->name, "size");
    loads_set(f, SOME, "figures.0.square.size=3");
    assert_string_equal(value_of(f, "figures.0.square.size"), "3");
}

/* Every kind and every parameter, though kinds may stand inside kinds; and it loads. */
static void test_doc(void **state)
{
    static const char *const expected[] = {
        "exactly one of dot, square, circle or frame",
        "#    dot: {}",
        "#    square:",
        "#      size: 1",
        "#      corners: 4",
        "#    circle:",
        "#    frame:",
        "\n  square:",
        "\n    corners: 4",
    };
    struct fixture *f = *state;
    loads(f, "");
    char *defaults = arena_strdup(&f->arena, printed(f, CFG_ALL));
    f->buf.len = 0;
    assert_int_equal(cfg_doc(&f->buf, ROWS), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    char *doc = arena_strdup(&f->arena, (const char *)f->buf.data);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        if (strstr(doc, expected[i]) == NULL) {
            fail_msg("no '%s' in:\n%s", expected[i], doc);
        }
    }
    assert_null(strstr(doc, "width"));
    assert_null(strstr(doc, "ivory"));
    loads(f, doc);
    assert_string_equal(printed(f, CFG_ALL), defaults);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_ways_to_write_it),
        TEST(test_overrides),
        TEST(test_places),
        TEST(test_refusals),
        TEST(test_older_forms),
        TEST(test_out_of_memory),
        TEST(test_round_trip),
        TEST(test_digest_and_difference),
        TEST(test_values),
        TEST(test_doc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
