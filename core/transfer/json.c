/* JSON through jansson. The tree of jansson is copied into the arena and given back at once, so the
 * owner of a tree is an arena here as everywhere else.
 *
 * The copy takes three blocks. Of a text of n bytes all texts and keys together need at most n
 * bytes with their NULs: a text takes at least its two quotes, and an escape is never shorter than
 * what it stands for. Nodes and keys are counted first.
 */
#include "core/transfer/json.h"

#include "core/base/log.h"
#include "core/base/number.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct copy {
    struct json *nodes;
    const char **keys;
    char *texts;
    size_t n_nodes, n_keys;
};

/* Nodes below `j`, without itself, and keys. False: deeper than `depth` levels. Recursion is
 * bounded by JSON_DEPTH_MAX. */
static bool count(const json_t *j, int depth, struct copy *c)
{
    const char *key;
    json_t *value;
    size_t i;
    if (!json_is_array(j) && !json_is_object(j)) {
        return true;
    }
    if (depth == 0) {
        return false;
    }
    json_array_foreach(j, i, value)
    {
        if (!count(value, depth - 1, c)) {
            return false;
        }
    }
    c->n_nodes += json_array_size(j) + json_object_size(j);
    c->n_keys += json_object_size(j);
    json_object_foreach((json_t *)j, key, value)
    {
        if (!count(value, depth - 1, c)) {
            return false;
        }
    }
    return true;
}

static const char *copy_text(struct copy *c, const char *text, size_t n)
{
    char *at = c->texts;
    memcpy(at, text, n + 1);
    c->texts += n + 1;
    return at;
}

static void copy_node(struct copy *c, struct json *to, const json_t *from);

static void copy_list(struct copy *c, struct json *to, const json_t *from)
{
    struct json *items = c->nodes;
    const size_t n = json_array_size(from);
    c->nodes += n;
    *to = (struct json){.type = JSON_LIST_, .n = (int)n, .items = items};
    for (size_t i = 0; i < n; i++) {
        copy_node(c, &items[i], json_array_get(from, i));
    }
}

static void copy_map(struct copy *c, struct json *to, const json_t *from)
{
    struct json *items = c->nodes;
    const char **keys = c->keys, *key;
    json_t *value;
    int i = 0;
    c->nodes += json_object_size(from);
    c->keys += json_object_size(from);
    *to = (struct json){
        .type = JSON_MAP_, .n = (int)json_object_size(from), .items = items, .keys = keys};
    json_object_foreach((json_t *)from, key, value)
    {
        keys[i] = copy_text(c, key, strlen(key));
        copy_node(c, &items[i++], value);
    }
}

static void copy_node(struct copy *c, struct json *to, const json_t *from)
{
    switch (json_typeof(from)) {
    case JSON_OBJECT:
        copy_map(c, to, from);
        break;
    case JSON_ARRAY:
        copy_list(c, to, from);
        break;
    case JSON_STRING:
        *to =
            (struct json){.type = JSON_TEXT_,
                          .text = copy_text(c, json_string_value(from), json_string_length(from))};
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        *to = (struct json){.type = JSON_NUMBER_, .number = json_number_value(from)};
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        *to = (struct json){.type = JSON_BOOL_, .truth = json_is_true(from)};
        break;
    case JSON_NULL:
        *to = (struct json){.type = JSON_NULL_};
        break;
    }
}

static enum err copy_tree(const struct json **out, struct arena *arena, const json_t *tree,
                          size_t n)
{
    struct copy c = {.n_nodes = 1};
    if (!count(tree, JSON_DEPTH_MAX, &c)) {
        return ERR_FORMAT;
    }
    c.nodes = ARENA_NEW(arena, c.n_nodes, struct json);
    c.keys = ARENA_NEW(arena, c.n_keys, const char *);
    c.texts = ARENA_NEW(arena, n + 1, char);
    TRY(arena_error(arena));
    *out = c.nodes;
    copy_node(&c, c.nodes++, tree);
    return ERR_OK;
}

/* The lexer of jansson 2.14 does not survive a failed allocation: it goes on with a text of which a
 * part is missing. So the room for its copies of the text is asked for beforehand: its buffer
 * doubles, and the old one lives until it is copied. jansson itself allocates with malloc(), where
 * tests make no allocation fail. */
static enum err check_room(size_t n)
{
    enum { AS_WELL = 64 * 1024 };
    void *room = mem_alloc(4 * n + AS_WELL);
    mem_free(room);
    return room != NULL ? ERR_OK : ERR_MEMORY;
}

enum err json_read_quietly(const struct json **out, struct arena *arena, char *why, size_t n_why,
                           const void *bytes, size_t n)
{
    json_error_t error;
    TRY(check_room(n));
    json_t *tree =
        json_loadb(n > 0 ? bytes : "", n,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    if (tree == NULL) {
        (void)snprintf(why, n_why, "not JSON: %s (line %d, column %d)", error.text, error.line,
                       error.column);
        return ERR_FORMAT;
    }
    const enum err e = copy_tree(out, arena, tree, n);
    json_decref(tree);
    if (e == ERR_FORMAT) {
        (void)snprintf(why, n_why, "JSON of more than %d levels", JSON_DEPTH_MAX);
    }
    return e;
}

/* jansson quotes the text in its message: what is not printable goes. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 127) {
            *text = ' ';
        }
    }
}

enum err json_read(const struct json **out, struct arena *arena, const char *source,
                   const void *bytes, size_t n)
{
    char why[256];
    const enum err e = json_read_quietly(out, arena, why, sizeof why, bytes, n);
    if (e == ERR_FORMAT) {
        make_printable(why);
        log_error("%s: %s", source, why);
    }
    return e;
}

/* ---- reading a tree ---- */

static const struct json *member(const struct json *at, const char *key, size_t n_key)
{
    if (at == NULL || at->type != JSON_MAP_) {
        return NULL;
    }
    for (int i = 0; i < at->n; i++) {
        if (strncmp(at->keys[i], key, n_key) == 0 && at->keys[i][n_key] == '\0') {
            return &at->items[i];
        }
    }
    return NULL;
}

const struct json *json_member(const struct json *at, const char *key)
{
    return member(at, key, strlen(key));
}

const struct json *json_find(const struct json *at, const char *path)
{
    while (at != NULL && *path != '\0') {
        const size_t n = strcspn(path, ".");
        at = member(at, path, n);
        path += n + (path[n] == '.');
    }
    return at;
}

const char *json_text(const struct json *at, const char *path, const char *missing)
{
    const struct json *j = json_find(at, path);
    return j != NULL && j->type == JSON_TEXT_ ? j->text : missing;
}

double json_number(const struct json *at, const char *path, double missing)
{
    const struct json *j = json_find(at, path);
    return j != NULL && j->type == JSON_NUMBER_ ? j->number : missing;
}

bool json_truth(const struct json *at, const char *path, bool missing)
{
    const struct json *j = json_find(at, path);
    return j != NULL && j->type == JSON_BOOL_ ? j->truth : missing;
}

int json_list(const struct json **items, const struct json *at, const char *path)
{
    const struct json *j = json_find(at, path);
    if (j == NULL || j->type != JSON_LIST_) {
        return 0;
    }
    *items = j->items;
    return j->n;
}

/* ---- writing ---- */

/* Bytes of the UTF-8 character at `s`; 0: there is none (RFC 3629: no surrogates, nothing overlong,
 * nothing beyond U+10FFFF). */
static size_t utf8(const unsigned char *s)
{
    const unsigned char c = s[0];
    if (c < 0x80) {
        return 1;
    }
    const size_t n = c >= 0xc2 && c < 0xe0   ? 2
                     : c >= 0xe0 && c < 0xf0 ? 3
                     : c >= 0xf0 && c < 0xf5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (c == 0xe0 && s[1] < 0xa0) || (c == 0xf0 && s[1] < 0x90);
    const bool beyond = (c == 0xed && s[1] > 0x9f) || (c == 0xf4 && s[1] > 0x8f);
    return n == 0 || overlong || beyond ? 0 : n;
}

enum err json_put_text(struct buf *out, const char *text)
{
    TRY(buf_append(out, "\"", 1));
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0';) {
        const size_t n = utf8(s);
        if (n == 0) {
            TRY(buf_append(out, "\xef\xbf\xbd", 3));
        } else if (*s == '"' || *s == '\\') {
            TRY(buf_printf(out, "\\%c", *s));
        } else if (*s < ' ' || *s == 127) {
            TRY(buf_printf(out, "\\u%04x", *s));
        } else {
            TRY(buf_append(out, s, n));
        }
        s += n > 0 ? n : 1;
    }
    return buf_append(out, "\"", 1);
}

enum err json_put_number(struct buf *out, double number)
{
    char text[NUMBER_BYTES];
    if (!isfinite(number)) {
        return buf_append(out, "null", 4);
    }
    number_text(text, number);
    return buf_append(out, text, strlen(text));
}
