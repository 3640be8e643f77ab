/* Configuration: a field is one table row beside its reader.
 *
 * A module that can be configured defines a plain struct and a table of rows, and exports both:
 *
 *     struct ppo_cfg {
 *         double clip;
 *         int epochs;
 *     };
 *     const struct cfg_field ppo_cfg_fields[] = {
 *         CFG_DOUBLE(struct ppo_cfg, clip, "0.2", 0.01, 1, "", CFG_RESULT, "PPO clip range"),
 *         CFG_INT(struct ppo_cfg, epochs, "4", 1, 100, "", CFG_RESULT, "passes over a rollout"),
 *         CFG_END,
 *     };
 *
 * The key in YAML is the member's name. The root table nests the others with CFG_TABLE and
 * CFG_LIST. From the same rows come the reader, its messages, the commented default file (cfg_doc),
 * the resolved config that is saved with a run (cfg_print_resolved) and its digest.
 *
 * Files. A file is one YAML map. `include: [path, ...]` (paths relative to that file) are read
 * first, in order; what stands later overrides. Maps merge key by key; a list replaces the whole
 * list. Refused with a sentence: duplicate and unknown keys, anchors, aliases and tags, more than
 * one document, tabs as indentation, bytes that are not UTF-8, more than CFG_DEPTH_MAX levels, more
 * than CFG_FILE_MAX bytes, an include cycle. A file, an include or a path that is neither there nor
 * beside the file that names it may be one that was installed with the program: file_installed().
 *
 * Kinds. A CFG_ONE_OF row stands for one of several *kinds*, each with a table of parameters of its
 * own (a method, say). The name of the kind is a key of the surrounding map, and its parameters
 * stand in a map below it:
 *
 *     - {name: tuned, khpa: {target: 0.5, down_s: 0}}
 *     - {khpa: {}}
 *     - khpa
 *
 * The last two mean the same: a map that holds nothing but a kind with its defaults may be written
 * as the name. Two kinds in one map are refused; a later source or --set that gives another kind
 * replaces the one that stood there, with its parameters.
 *
 * Values. Booleans are true and false, nothing else. Integers must be exact: 1e6 and 1_000_000 are
 * integers, 1.5 is not. Numbers may not be quoted; NaN and infinity are refused. Strings may be
 * plain or quoted, and may not be left empty without quotes. The value of a --set is read in the
 * same way, but one that begins with # is a text.
 */
#ifndef KARMA_BASE_CONFIG_H
#define KARMA_BASE_CONFIG_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CFG_DEPTH_MAX = 16,              /* levels of maps and lists in a file */
    CFG_FILE_MAX = 16 * 1024 * 1024, /* bytes */
    CFG_ERRORS_MAX = 20,             /* sentences logged before the reader gives up */
    CFG_KEY_MAX = 512, /* bytes of a dotted key such as services.2.calls.0, with NUL */
};

/* What a change of the value can change. Run digest, resume check and ablation key use CFG_RESULT
 * rows only; a test changes every CFG_SPEED row and expects the same result, bit by bit. */
enum cfg_effect { CFG_RESULT = 1, CFG_SPEED = 2, CFG_OUTPUT = 4, CFG_ALL = 7 };

/* Beside CFG_RESULT, for a row that came after results were published: while the value is the
 * default, digests and comparisons of older results leave the row out, so that they stay what they
 * were. The default must be written as it is printed. */
enum { CFG_LATER = 8 };

enum cfg_type { /* C type of the member */
                CFG_TYPE_END,
                CFG_TYPE_BOOL,   /* bool */
                CFG_TYPE_INT,    /* int */
                CFG_TYPE_INT64,  /* int64_t */
                CFG_TYPE_UINT64, /* uint64_t */
                CFG_TYPE_DOUBLE, /* double */
                CFG_TYPE_STRING, /* const char *, in the arena, never NULL */
                CFG_TYPE_PATH,   /* const char *, the same */
                CFG_TYPE_ENUM,   /* int or an enum without negative values */
                CFG_TYPE_TABLE,  /* nested struct */
                CFG_TYPE_LIST, /* pointer into the arena, and an int with the number of elements */
                CFG_TYPE_ONE_OF,  /* struct cfg_one */
                CFG_TYPE_RENAMED, /* none: a key of older versions */
};

/* Choices of a CFG_ENUM: ends with a row whose name is NULL. Words of older versions stand behind
 * the others, with CFG_OLDER; they are refused, and `doc` is what to write instead. */
enum { CFG_OLDER = -1 };
struct cfg_choice {
    const char *name;
    int value;
    const char *doc; /* "" or a few words */
};

/* One kind of a CFG_ONE_OF. Whoever has more to say of a kind puts this first in a struct of his
 * own and gets back to it from the pointer. */
struct cfg_field;
struct cfg_kind {
    const char *name;              /* its key in YAML */
    const char *doc;               /* one line, no full stop */
    const struct cfg_field *table; /* its parameters; none: only CFG_END */
    size_t size;                   /* bytes of the struct that the table describes, at least 1 */
};

/* Member of a CFG_ONE_OF. */
struct cfg_one {
    const struct cfg_kind *kind; /* NULL: none was chosen */
    const void *params;          /* (kind->size) in the arena */
};

/* One row. Written with the macros below, never by hand. A default must be a value its own row
 * allows: it is read like any other, at every load. */
struct cfg_field {
    const char *name;
    enum cfg_type type, item_type; /* item_type: of a list's elements */
    size_t offset, count_offset;   /* bytes from the start of the struct */
    size_t item_size;              /* bytes of one list element */
    const char *def;               /* YAML flow text; CFG_REQUIRED: must be given */
    double min, max;               /* inclusive; of each element for a list of numbers */
    int n_min, n_max;              /* of a list; n_min of a CFG_ONE_OF_DOCUMENTED */
    const char *unit;              /* "ms", "1/s"; "" = none */
    unsigned effect;               /* enum cfg_effect; tables and lists of structs: unused */
    const char *doc;               /* one line, no full stop */
    const struct cfg_choice *choices;
    const struct cfg_field *table;       /* rows of a nested struct or of a list's structs */
    const struct cfg_kind *const *kinds; /* of a CFG_ONE_OF; ends with NULL */
};

#define CFG_END                                                                                    \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define CFG_REQUIRED NULL
#define CFG_NO_MIN   (-HUGE_VAL)
#define CFG_NO_MAX   HUGE_VAL

/* Zero, unless the member has another type than the row says: then it does not compile. */
#define CFG_IS_(S, member, type)   _Generic(((S *)0)->member, type : 0U)
#define CFG_IS_STRING_(S, member)  _Generic(((S *)0)->member, char * : 0U, const char * : 0U)
#define CFG_IS_ENUM_(S, member)    _Generic(((S *)0)->member, int : 0U, unsigned int : 0U)
#define CFG_IS_LIST_(S, member, E) _Generic(((S *)0)->member, E * : 0U, E const * : 0U)

#define CFG_NUMBER_(S, member, T, ctype, def_, min_, max_, unit_, effect_, doc_)                   \
    {                                                                                              \
        .name = #member, .type = (T), .offset = offsetof(S, member) + CFG_IS_(S, member, ctype),   \
        .def = (def_), .min = (min_), .max = (max_), .unit = (unit_), .effect = (effect_),         \
        .doc = (doc_)                                                                              \
    }

/* Numbers: struct type, member, default as text, least and greatest value allowed, unit, effect,
 * doc. Bounds of an int64 beyond 2^53 are rounded to a double. */
#define CFG_DOUBLE(S, member, def, min, max, unit, effect, doc)                                    \
    CFG_NUMBER_(S, member, CFG_TYPE_DOUBLE, double, def, min, max, unit, effect, doc)
#define CFG_INT(S, member, def, min, max, unit, effect, doc)                                       \
    CFG_NUMBER_(S, member, CFG_TYPE_INT, int, def, min, max, unit, effect, doc)
/* The same, or one of a few words, each of which stands for a number outside of the range. */
#define CFG_INT_OR(S, member, def_, min_, max_, unit_, words_, effect_, doc_)                      \
    {                                                                                              \
        .name = #member, .type = CFG_TYPE_INT,                                                     \
        .offset = offsetof(S, member) + CFG_IS_(S, member, int), .def = (def_), .min = (min_),     \
        .max = (max_), .unit = (unit_), .effect = (effect_), .doc = (doc_), .choices = (words_)    \
    }
#define CFG_INT64(S, member, def, min, max, unit, effect, doc)                                     \
    CFG_NUMBER_(S, member, CFG_TYPE_INT64, int64_t, def, min, max, unit, effect, doc)
/* Any 64 bits: seeds. */
#define CFG_UINT64(S, member, def, effect, doc)                                                    \
    CFG_NUMBER_(S, member, CFG_TYPE_UINT64, uint64_t, def, 0, CFG_NO_MAX, "", effect, doc)

#define CFG_BOOL(S, member, def, effect, doc)                                                      \
    CFG_NUMBER_(S, member, CFG_TYPE_BOOL, bool, def, 0, 1, "", effect, doc)

#define CFG_TEXT_(S, member, T, def_, effect_, doc_)                                               \
    {                                                                                              \
        .name = #member, .type = (T), .offset = offsetof(S, member) + CFG_IS_STRING_(S, member),   \
        .def = (def_), .unit = "", .effect = (effect_), .doc = (doc_)                              \
    }

/* The default is the string itself, without YAML quotes: CFG_STRING(S, name, "", ...). */
#define CFG_STRING(S, member, def, effect, doc)                                                    \
    CFG_TEXT_(S, member, CFG_TYPE_STRING, def, effect, doc)
/* A path in a file is looked for beside that file first; if nothing is there, and for --set and
 * defaults, it is taken relative to the working directory. "" = none. */
#define CFG_PATH(S, member, def, effect, doc) CFG_TEXT_(S, member, CFG_TYPE_PATH, def, effect, doc)

#define CFG_ENUM(S, member, def_, choices_, effect_, doc_)                                         \
    {                                                                                              \
        .name = #member, .type = CFG_TYPE_ENUM,                                                    \
        .offset = offsetof(S, member) + CFG_IS_ENUM_(S, member), .def = (def_), .unit = "",        \
        .effect = (effect_), .doc = (doc_), .choices = (choices_)                                  \
    }

/* A nested struct with its own table. */
#define CFG_TABLE(S, member, table_, doc_)                                                         \
    {                                                                                              \
        .name = #member, .type = CFG_TYPE_TABLE, .offset = offsetof(S, member), .unit = "",        \
        .doc = (doc_), .table = (table_)                                                           \
    }

/* One of several kinds, whose names are keys beside those of the other rows; at most one such row
 * in a table. Default: the name of a kind, "" (none has to be chosen), or CFG_REQUIRED. The effect
 * is that of choosing another kind. */
#define CFG_ONE_OF(S, member, kinds_, def_, effect_, doc_)                                         \
    {                                                                                              \
        .name = #member, .type = CFG_TYPE_ONE_OF,                                                  \
        .offset = offsetof(S, member) + CFG_IS_(S, member, struct cfg_one), .def = (def_),         \
        .unit = "", .effect = (effect_), .doc = (doc_), .kinds = (kinds_)                          \
    }

/* The same; cfg_doc() shows the parameters of every kind, not of the default alone. For kinds that
 * contain no such row themselves. */
enum { CFG_KINDS_DOCUMENTED = 1 };
#define CFG_ONE_OF_DOCUMENTED(S, member, kinds_, def_, effect_, doc_)                              \
    {                                                                                              \
        .name = #member, .type = CFG_TYPE_ONE_OF,                                                  \
        .offset = offsetof(S, member) + CFG_IS_(S, member, struct cfg_one), .def = (def_),         \
        .n_min = CFG_KINDS_DOCUMENTED, .unit = "", .effect = (effect_), .doc = (doc_),             \
        .kinds = (kinds_)                                                                          \
    }

/* A key of older versions: refused, with its new name. */
#define CFG_RENAMED(old, new_)                                                                     \
    {                                                                                              \
        .name = (old), .type = CFG_TYPE_RENAMED, .def = (new_), .unit = "", .doc = ""              \
    }

/* A word that older versions had under a key, for the map that their maps are refused with: what
 * stands for it now, as in "draw: allocations". Behind the row of the key. */
#define CFG_REPLACED(key, word, now_)                                                              \
    {                                                                                              \
        .name = (key), .type = CFG_TYPE_RENAMED, .def = (now_), .unit = (word), .doc = ""          \
    }

#define CFG_LIST_(S, member, n_member, E, T, def_, n_min_, n_max_, min_, max_, unit_, effect_,     \
                  doc_, choices_, table_)                                                          \
    {                                                                                              \
        .name = #member, .type = CFG_TYPE_LIST, .item_type = (T),                                  \
        .offset = offsetof(S, member) + CFG_IS_LIST_(S, member, E),                                \
        .count_offset = offsetof(S, n_member) + CFG_IS_(S, n_member, int), .item_size = sizeof(E), \
        .def = (def_), .min = (min_), .max = (max_), .n_min = (n_min_), .n_max = (n_max_),         \
        .unit = (unit_), .effect = (effect_), .doc = (doc_), .choices = (choices_),                \
        .table = (table_)                                                                          \
    }

/* List of structs: members `E *member; int n_member;`, rows of E, default as flow text ("[]",
 * "[{name: a}]"), least and greatest number of elements, doc. */
#define CFG_LIST(S, member, n_member, E, table, def, n_min, n_max, doc)                            \
    CFG_LIST_(S, member, n_member, E, CFG_TYPE_TABLE, def, n_min, n_max, 0, 0, "", 0U, doc, NULL,  \
              table)
/* The same, empty by default, for a list that came after results were published (CFG_LATER). */
#define CFG_LIST_LATER(S, member, n_member, E, table, n_max, doc)                                  \
    CFG_LIST_(S, member, n_member, E, CFG_TYPE_TABLE, "[]", 0, n_max, 0, 0, "", CFG_LATER, doc,    \
              NULL, table)

/* Lists of numbers: the bounds hold for each element. */
#define CFG_LIST_DOUBLE(S, member, n_member, def, n_min, n_max, min, max, unit, effect, doc)       \
    CFG_LIST_(S, member, n_member, double, CFG_TYPE_DOUBLE, def, n_min, n_max, min, max, unit,     \
              effect, doc, NULL, NULL)
#define CFG_LIST_INT(S, member, n_member, def, n_min, n_max, min, max, unit, effect, doc)          \
    CFG_LIST_(S, member, n_member, int, CFG_TYPE_INT, def, n_min, n_max, min, max, unit, effect,   \
              doc, NULL, NULL)
#define CFG_LIST_UINT64(S, member, n_member, def, n_min, n_max, effect, doc)                       \
    CFG_LIST_(S, member, n_member, uint64_t, CFG_TYPE_UINT64, def, n_min, n_max, 0, CFG_NO_MAX,    \
              "", effect, doc, NULL, NULL)
/* Members `const char **member; int n_member;` (or `const char *const *member`). */
#define CFG_LIST_STRING(S, member, n_member, def, n_min, n_max, effect, doc)                       \
    CFG_LIST_(S, member, n_member, const char *, CFG_TYPE_STRING, def, n_min, n_max, 0, 0, "",     \
              effect, doc, NULL, NULL)
#define CFG_LIST_PATH(S, member, n_member, def, n_min, n_max, effect, doc)                         \
    CFG_LIST_(S, member, n_member, const char *, CFG_TYPE_PATH, def, n_min, n_max, 0, 0, "",       \
              effect, doc, NULL, NULL)
/* Members `E *member; int n_member;` with E an enum type (or int). */
#define CFG_LIST_ENUM(S, member, n_member, E, choices, def, n_min, n_max, effect, doc)             \
    CFG_LIST_(S, member, n_member, E, CFG_TYPE_ENUM, def, n_min, n_max, 0, 0, "", effect, doc,     \
              choices, NULL)

struct cfg_src_loc; /* where each value came from; in the arena */

/* One loaded configuration. Fields are private to config*.c. */
struct cfg {
    const struct cfg_field *root;
    size_t root_size;    /* bytes of the struct the root table describes */
    struct arena *arena; /* borrowed: strings, lists and source locations live here */
    struct cfg_src_loc *src_locs;
    int n_errors; /* of the current load */
};

/* `root` is a static table, `root_size` the sizeof its struct; `arena` must outlive the values. */
void cfg_init(struct cfg *c, const struct cfg_field *root, size_t root_size, struct arena *arena);

/* Fill `out` (root_size bytes): defaults, then the file (NULL = none) with its includes, then each
 * of `sets` in order ("a.b=c", "services.1.cpu_m=500", "seeds=[1,2]"; the value is YAML flow text).
 * Logs every error it finds, up to CFG_ERRORS_MAX, and then returns ERR_CONFIG; ERR_MEMORY.
 * `out` is written on success only. */
enum err cfg_load(struct cfg *c, const char *path, const char *const *sets, int n_sets,
                  void *out) WARN_UNUSED;

/* Where YAML comes from: a file, or text with a name that stands for the file in messages. Paths in
 * a text are relative to the working directory or to the directory part of its name. */
struct cfg_source {
    const char *path; /* file name, or the name given to `text` */
    const char *text; /* NULL: read the file; else NUL-terminated YAML */
};

/* The same from several sources, the later ones overriding the earlier. */
enum err cfg_load_sources(struct cfg *c, const struct cfg_source *sources, int n_sources,
                          const char *const *sets, int n_sets, void *out) WARN_UNUSED;

/* The same from one text. */
enum err cfg_load_text(struct cfg *c, const char *name, const char *text, const char *const *sets,
                       int n_sets, void *out) WARN_UNUSED;

/* Source location of a value after a load: "topo.yaml:12:7", "--set services.1.cpu_m=500", or
 * "default". A key that was not given itself, inside a map that was: the location of the map,
 * "topo.yaml:12:3 (by default)". Never NULL; in the arena or static. */
const char *cfg_where(const struct cfg *c, const char *key);

/* For checks that need more than one value: logs "LOCATION: KEY: sentence" and returns ERR_CONFIG.
 *     return cfg_error(c, key, "calls itself through '%s'; remove one of the calls", name);  */
enum err cfg_error(const struct cfg *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For a command that reads only a part of the configuration. Finds the first value, in the order of
 * the tables, that a --set gave and that lies in none of `keys` (which end with NULL; a key covers
 * itself and what is below it). True: its dotted key is in `key`. Values of files are not looked
 * at, because several commands share a file. */
bool cfg_find_unused_set(const struct cfg *c, char key[CFG_KEY_MAX], const char *const *keys);

/* One value of a loaded configuration. */
struct cfg_value {
    const struct cfg_field *field; /* its row, or that of its list */
    enum cfg_type type;            /* of the row, or of the elements of the list */
    const void *at;
};

/* The value of a dotted key in `values`, which `c` has loaded last. False: there is no such key, it
 * is a table or a list of tables, or a parameter of a kind that was not chosen. */
bool cfg_find_value(struct cfg_value *out, const struct cfg *c, const void *values,
                    const char *key);

/* Append the value as YAML flow text, which a --set reads back. ERR_MEMORY. */
enum err cfg_print_value(struct buf *b, const struct cfg_value *value) WARN_UNUSED;

/* Name of an enum value; "?" if the table has none. */
const char *cfg_choice_name(const struct cfg_choice *choices, int value);

/* Append `values` as YAML, rows of the given effects only. With CFG_ALL the text loads back to the
 * identical struct (doubles in the fewest digits that do so). ERR_MEMORY. */
enum err cfg_print_resolved(struct buf *b, const struct cfg_field *root, const void *values,
                            unsigned effects) WARN_UNUSED;

/* Append the complete default configuration with a comment (doc, unit, range, choices) per key. */
enum err cfg_doc(struct buf *b, const struct cfg_field *root) WARN_UNUSED;

/* Content hash of the file a CFG_PATH names; logs its errors. */
typedef enum err cfg_path_hash(uint64_t *hash, void *ctx, const char *path);

/* FNV-1a, 64 bits, over the resolved text of the CFG_RESULT rows. For a non-empty path the hash
 * that `path_hash` returns takes the place of the name, so that moving a file changes nothing and
 * changing it does; path_hash NULL = the name itself is hashed. */
enum err cfg_digest(uint64_t *digest, const struct cfg_field *root, const void *values,
                    cfg_path_hash *path_hash, void *ctx) WARN_UNUSED;

/* Append one line "key: value of a -> value of b" for each CFG_RESULT value that differs; count
 * them in *n_differ. For a run that may only be resumed under its own config. ERR_MEMORY. */
enum err cfg_diff(struct buf *b, int *n_differ, const struct cfg_field *root, const void *values_a,
                  const void *values_b) WARN_UNUSED;

#endif
