/* A configuration under test: loaded from texts, what the log said of them, and how it is printed.
 */
#ifndef KARMA_TESTS_CONFIG_FIXTURE_H
#define KARMA_TESTS_CONFIG_FIXTURE_H

#include "tests/config_rows.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct heard log;
    struct cfg cfg;
    struct root_cfg root;
    struct buf buf;
    char dir[64];
};

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(0);
    heard_end();
    buf_release(&f->buf);
    arena_release(&f->arena);
    return 0;
}

static inline enum err load(struct fixture *f, const char *text)
{
    return cfg_load_text(&f->cfg, "t.yaml", text, NULL, 0, &f->root);
}

static inline enum err load_set(struct fixture *f, const char *text, const char *set)
{
    return cfg_load_text(&f->cfg, "t.yaml", text, &set, 1, &f->root);
}

static inline void assert_logged(const struct fixture *f, const char *sentence)
{
    if (strstr(f->log.text, sentence) == NULL) {
        fail_msg("expected \"%s\" in: %s", sentence, f->log.text);
    }
}

/* The text is refused with exactly this line (all lines, joined by newlines). */
static inline void assert_refused(struct fixture *f, const char *text, const char *lines)
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

static inline const char *resolved(struct fixture *f, unsigned effects)
{
    f->buf.len = 0;
    assert_int_equal(cfg_print_resolved(&f->buf, ROWS, &f->root, effects), ERR_OK);
    assert_int_equal(buf_append(&f->buf, "", 1), ERR_OK);
    return (const char *)f->buf.data;
}

static inline uint64_t digest(const struct fixture *f)
{
    uint64_t d = 0;
    assert_int_equal(cfg_digest(&d, ROWS, &f->root, NULL, NULL), ERR_OK);
    return d;
}

/* What the defaults print. */
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
