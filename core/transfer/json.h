/* JSON: text from outside -> a tree in an arena, and text of ours. jansson is in json.c only.
 *
 * Refused with a sentence: duplicate keys, NUL inside a text, what is not UTF-8, more than
 * JSON_DEPTH_MAX levels, anything behind the value. A number is a double; an integer beyond 2^53
 * loses digits. The tree needs at most JSON_EACH bytes for each byte of text.
 */
#ifndef KARMA_TRANSFER_JSON_H
#define KARMA_TRANSFER_JSON_H

#include "core/base/err.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH_MAX = 64, JSON_EACH = 512 };

enum json_type { JSON_NULL_, JSON_BOOL_, JSON_NUMBER_, JSON_TEXT_, JSON_LIST_, JSON_MAP_ };

struct json {
    enum json_type type;
    bool truth;               /* of a bool */
    double number;            /* of a number */
    const char *text;         /* of a text; ends in NUL */
    int n;                    /* entries of a list or map */
    const struct json *items; /* (n) in the order of the text */
    const char **keys;        /* (n) of a map */
};

/* `source` stands for the text in messages. ERR_FORMAT: logged; ERR_MEMORY. Everything is in the
 * arena; the bytes are not needed afterwards. */
enum err json_read(const struct json **out, struct arena *arena, const char *source,
                   const void *bytes, size_t n) WARN_UNUSED;
/* The same without a log line: the reason is in `why` (n_why bytes). */
enum err json_read_quietly(const struct json **out, struct arena *arena, char *why, size_t n_why,
                           const void *bytes, size_t n) WARN_UNUSED;

/* The value of a key; NULL if there is none, or `at` is NULL or no map. */
const struct json *json_member(const struct json *at, const char *key);

/* The value at a dotted path, "spec.template.metadata"; NULL if there is none. A key that contains
 * a dot itself is for json_member(). */
const struct json *json_find(const struct json *at, const char *path);

/* The value at a path, or `missing` if there is none of that type. */
const char *json_text(const struct json *at, const char *path, const char *missing);
double json_number(const struct json *at, const char *path, double missing);
bool json_truth(const struct json *at, const char *path, bool missing);

/* The list at a path: its entries in *items; 0 if there is no list. */
int json_list(const struct json **items, const struct json *at, const char *path);

/* Append a text in quotes; bytes that are not UTF-8 become U+FFFD. */
enum err json_put_text(struct buf *out, const char *text) WARN_UNUSED;
/* Append a number in the fewest digits that read back as the same double; NaN and infinity, which
 * JSON does not have, as null. */
enum err json_put_number(struct buf *out, double number) WARN_UNUSED;

#endif
