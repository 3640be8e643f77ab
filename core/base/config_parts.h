/* What the files of the configuration reader share; nobody else includes this.
 *
 *     config_yaml.c    YAML text -> tree of nodes with marks (the only user of libyaml)
 *     config_value.c   the text of one value <-> one C value, and the sentences about it
 *     config.c         tree + table -> struct, with defaults, includes, overrides and places
 *     config_print.c   struct + table -> text: resolved config, documentation, digest, difference
 */
#ifndef KARMA_BASE_CONFIG_PARTS_H
#define KARMA_BASE_CONFIG_PARTS_H

#include "core/base/config.h"

/* One YAML text: a file, a named text, a --set or a default. */
struct cfg_origin {
    const char *label; /* what messages call it */
    const char *dir;   /* paths are relative to it, ends with '/'; "" = working directory */
    bool has_lines;    /* messages give line and column */
};

struct cfg_mark {
    const struct cfg_origin *origin; /* NULL: the value was not given anywhere */
    int line, column;                /* from 1 */
};

enum cfg_node_kind {
    CFG_NODE_BAD, /* refused, and already reported */
    CFG_NODE_SCALAR,
    CFG_NODE_MAP,
    CFG_NODE_LIST,
};

struct cfg_node {
    enum cfg_node_kind kind;
    bool quoted;              /* scalar in quotes or a block scalar */
    const char *text;         /* scalar */
    const char *key;          /* of an entry of a map, else NULL */
    struct cfg_mark mark;     /* of the value */
    struct cfg_mark key_mark; /* of the key */
    struct cfg_node *first;   /* entries of a map or list */
    struct cfg_node *next;
    int n; /* entries */
};

/* A sentence under construction: cut, never overrun. Needs no memory, so that it also works when
 * there is none. */
struct cfg_text {
    char s[1200];
    size_t len;
};
void cfg_text_add(struct cfg_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds what a user wrote, in one line of at most 60 bytes, whole UTF-8 characters. */
void cfg_text_add_excerpt(struct cfg_text *t, const char *s);

/* "file:line:column" */
void cfg_text_add_mark(struct cfg_text *t, struct cfg_mark mark);

/* Log "MARK: KEY: sentence" (KEY may be "") and count it; silent beyond CFG_ERRORS_MAX. */
void cfg_report(int *n_errors, struct cfg_mark mark, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Parse one document of `len` bytes into a tree in `arena`; *root NULL for an empty one. Errors are
 * reported and counted. ERR_CONFIG: no tree, because the syntax is wrong; ERR_MEMORY. */
enum err cfg_yaml_parse(struct cfg_node **root, int *n_errors, struct arena *arena,
                        const struct cfg_origin *origin, const char *text, size_t len) WARN_UNUSED;

/* Nothing, null or ~ without quotes. */
bool cfg_node_is_null(const struct cfg_node *node);

/* Write a bool, number or enum at `at`; false with a sentence in *problem if the node is not one of
 * those allowed by the row. `type` is the row's type or its item_type. */
bool cfg_value_read(void *at, struct cfg_text *problem, const struct cfg_field *f,
                    enum cfg_type type, const struct cfg_node *node);

/* "a number from 0.01 to 1 ms", "one of red, green", ... */
void cfg_text_add_allowed(struct cfg_text *t, const struct cfg_field *f, enum cfg_type type);

/* "a list", "the text 'x'", "nothing", ... */
void cfg_text_add_found(struct cfg_text *t, const struct cfg_node *node);

/* Fewest digits that read back as the same double; `out` holds 32 bytes. */
void cfg_double_text(char out[32], double value);

#endif
