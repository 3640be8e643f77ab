/* What the files of the configuration reader share; nobody else includes this.
 *
 *     config_yaml.c    YAML text -> tree of nodes with marks (the only user of libyaml)
 *     config_value.c   the text of one value <-> one C value, and the sentences about it
 *     config_src_loc.c   a dotted key -> its row, its bytes in the struct, where it was given
 *     config_read.c    one tree, or the defaults, onto the struct
 *     config_kind.c    the same for one of several kinds
 *     config_older.c   maps of older versions, and the map to write instead
 *     config.c         files with their includes and overrides, one after the other
 *     config_print.c   struct + table -> text: the resolved configuration and its digest
 *     config_diff.c    two structs + table -> text: the values that differ
 *     config_doc.c     table -> text: the commented defaults
 */
#ifndef KARMA_BASE_CONFIG_PARTS_H
#define KARMA_BASE_CONFIG_PARTS_H

#include "core/base/config.h"

/* One YAML text: a file, a named text, a --set or a default. */
struct cfg_origin {
    const char *label; /* what messages call it */
    const char *dir;   /* paths are relative to it, ends with '/'; "" = working directory */
    bool has_lines;    /* messages give line and column */
    bool is_set;       /* it is a --set */
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

/* ---- where a value is (config_src_loc.c) ---- */

/* The dotted key of the value in hand. One that is too long is cut. */
struct cfg_key {
    char s[CFG_KEY_MAX];
    size_t len;
};

/* Append one part; returns what cfg_key_pop needs to take it off again. */
size_t cfg_key_push(struct cfg_key *k, const char *part);
size_t cfg_key_push_index(struct cfg_key *k, int i);
void cfg_key_pop(struct cfg_key *k, size_t before);

/* Source location: where one value was given. Invariant: a table's location has one child per row,
 * a list's location one per element, that of a CFG_ONE_OF one per kind, of which only the chosen
 * one has children; a value's location has none. */
struct cfg_src_loc {
    struct cfg_mark mark; /* origin NULL: not given, the default holds */
    struct cfg_src_loc *children;
    int n_children;
};

/* One value inside the struct: what the table says of it, where it is, where it was given. */
struct cfg_slot {
    const struct cfg_field *field; /* NULL: the root */
    enum cfg_type type;            /* the field's type, or its item_type for a list element */
    const struct cfg_field *table; /* rows, if type is CFG_TYPE_TABLE */
    void *at;
    struct cfg_src_loc *src_loc;
};

/* Row `row` of a table, element `i` of a list; their locations must exist. `items`: of the list, if
 * they do not stand in the struct yet, else cfg_slot_items. */
struct cfg_slot cfg_slot_row(const struct cfg_slot *parent, int row);
struct cfg_slot cfg_slot_item(const struct cfg_slot *list, void *items, int i);
void *cfg_slot_items(const struct cfg_slot *list);

/* Parameters of kind `k`, which must be the chosen one; its location must exist. */
struct cfg_slot cfg_slot_kind(const struct cfg_slot *one, int k);

/* Index of the row that has that key, or -1. */
int cfg_find_row(const struct cfg_field *table, const char *name);
/* Index of the CFG_ONE_OF of a table, and of a kind; -1: there is none. */
int cfg_find_one_of(const struct cfg_field *table);
int cfg_find_kind(const struct cfg_kind *const *kinds, const char *name);

/* Which child of the slot's location `part` names, or -1. Of a table only rows. */
int cfg_slot_child(const struct cfg_slot *slot, const char *part);

/* ---- a tree onto the struct (config_read.c) ---- */

extern const struct cfg_origin cfg_defaults; /* of what no source gave */

/* A load under way. */
struct cfg_loading {
    struct cfg *c;
    struct arena scratch; /* texts and trees, until the load ends */
    struct cfg_slot root;
    struct cfg_key key;
    const struct cfg_origin *origin; /* of the source being applied; NULL: defaults */
    struct cfg_mark start;           /* of the first source, for keys that are missing everywhere */
    bool incomplete;                 /* a source could not be read: other keys may be there */
};

/* There were enough errors. */
static inline bool cfg_gave_up(const struct cfg_loading *l)
{
    return l->c->n_errors >= CFG_ERRORS_MAX;
}

/* What follows reports and counts errors of the user and returns ERR_OK all the same; ERR_MEMORY.
 */

/* Every row of the table, and of those below it, and their locations. */
enum err cfg_read_defaults(struct cfg_loading *l, const struct cfg_slot *table) WARN_UNUSED;

/* Room for the locations of `n` children. */
enum err cfg_src_loc_children(struct cfg_loading *l, struct cfg_src_loc *src_loc,
                              int n) WARN_UNUSED;

/* `node` into the slot. The root's key `include` is passed over. */
enum err cfg_read(struct cfg_loading *l, const struct cfg_slot *slot,
                  const struct cfg_node *node) WARN_UNUSED;

/* Walk `key` (cut up in place) from the root, and read `node` there; l->key stays where it led. */
enum err cfg_read_key(struct cfg_loading *l, char *key, const struct cfg_node *node) WARN_UNUSED;

/* Report rows without default that no source gave. `mark`: nearest location that was given. */
void cfg_check_missing(struct cfg_loading *l, const struct cfg_slot *slot, struct cfg_mark mark);

/* ---- one of several kinds (config_kind.c) ---- */

/* The CFG_ONE_OF of a table's slot, if it has one; else its field is NULL. */
struct cfg_slot cfg_slot_one_of(const struct cfg_slot *table);

/* Chooses the default. */
enum err cfg_kind_default(struct cfg_loading *l, const struct cfg_slot *one) WARN_UNUSED;

/* Kind `k` with the parameters `node`, given at `mark`. */
enum err cfg_kind_read(struct cfg_loading *l, const struct cfg_slot *one, int k,
                       const struct cfg_node *node, struct cfg_mark mark) WARN_UNUSED;

/* A word in place of a map: the kind of that name. */
enum err cfg_kind_read_word(struct cfg_loading *l, const struct cfg_slot *one,
                            const struct cfg_node *word) WARN_UNUSED;

/* Adds where else a key may stand that is unknown beside the kinds: a parameter of some of them.
 * False: of none. */
bool cfg_kind_add_hint(struct cfg_text *hint, const struct cfg_loading *l,
                       const struct cfg_field *one, const char *key);

/* "nothing, khpa or ff" */
void cfg_kind_add_names(struct cfg_text *t, const struct cfg_kind *const *kinds);

/* ---- maps of older versions (config_older.c) ---- */

/* Reports a map that is written as in older versions, `kind: NAME` with the parameters beside it.
 * False: it is not. */
bool cfg_kind_refuse_flat(struct cfg_loading *l, const struct cfg_slot *table,
                          const struct cfg_slot *one, const struct cfg_node *map);

/* ---- values as text (config_print.c) ---- */

/* A text as YAML: in quotes where another reader would take it for something else. */
enum err cfg_print_string(struct buf *b, const char *s) WARN_UNUSED;

/* The value of a row that is neither a table nor a list of structs; `values`: its struct. */
enum err cfg_print_row(struct buf *b, const struct cfg_field *f, const void *values) WARN_UNUSED;

/* The elements of a list, and how many. */
const char *cfg_list_items(int *n, const struct cfg_field *f, const void *values);

/* Whether the row, or any row below it, has one of the effects. */
bool cfg_has_effect(const struct cfg_field *f, unsigned effects);

static inline bool cfg_is_struct_list(const struct cfg_field *f)
{
    return f->type == CFG_TYPE_LIST && f->item_type == CFG_TYPE_TABLE;
}

#endif
