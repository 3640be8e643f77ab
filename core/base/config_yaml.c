/* YAML text -> tree of nodes, through libyaml's event stream.
 *
 * Only the data part of YAML is let in: maps with plain keys, lists and scalars. Anchors, aliases
 * and tags are refused here (an alias can make a small file enormous, a tag can make `1` a text),
 * so that the tree is never larger than the text. Scalars stay text: config_value.c knows the type.
 */
#include "core/base/config_parts.h"
#include "core/base/log.h"

#include <string.h>
#include <yaml.h>

enum { NODES_MAX = 1 << 20 }; /* 200 MB of nodes; no configuration comes near */

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    struct arena *arena;
    const struct cfg_origin *origin;
    const char *text;
    size_t len;
    int *n_errors;
    int n_nodes;
};

static struct cfg_mark mark_at(const struct reader *r, yaml_mark_t m)
{
    return (struct cfg_mark){
        .origin = r->origin, .line = (int)m.line + 1, .column = (int)m.column + 1};
}

/* Line and column of a byte, for errors that libyaml gives by offset only. */
static struct cfg_mark mark_of_byte(const struct reader *r, size_t offset)
{
    struct cfg_mark m = {.origin = r->origin, .line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < r->len; i++) {
        if (r->text[i] == '\n') {
            m.line++;
            m.column = 1;
        } else {
            m.column++;
        }
    }
    return m;
}

/* Whether the line begins with white space that contains a tab. */
static bool line_has_tab_indent(const struct reader *r, size_t line)
{
    size_t i = 0;
    /* Moves i behind `line` line ends, to the beginning of that line (from 0). */
    for (; line > 0 && i < r->len; i++) {
        line -= r->text[i] == '\n';
    }
    for (; i < r->len && (r->text[i] == ' ' || r->text[i] == '\t'); i++) {
        if (r->text[i] == '\t') {
            return true;
        }
    }
    return false;
}

static void report_bad_bytes(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    cfg_report(r->n_errors, mark_of_byte(r, p->problem_offset), "",
               "%s (byte 0x%X); a configuration is UTF-8 text: convert the file, for example with "
               "iconv -t UTF-8",
               p->problem, p->problem_value < 0 ? 0U : (unsigned)p->problem_value);
}

static enum err report_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        log_error("%s: out of memory while parsing", r->origin->label);
        return ERR_MEMORY;
    }
    /* A tab at the start of a line gives libyaml messages that do not mention it, so the line is
     * looked at. */
    if (p->error == YAML_READER_ERROR) {
        report_bad_bytes(r);
    } else if (line_has_tab_indent(r, p->problem_mark.line)) {
        cfg_report(r->n_errors, mark_at(r, p->problem_mark), "",
                   "a tab is used as indentation, which YAML forbids; replace it by spaces");
    } else {
        cfg_report(r->n_errors, mark_at(r, p->problem_mark), "",
                   "not YAML: %s%s%s; correct the syntax here or just above",
                   p->problem != NULL ? p->problem : "unreadable", p->context != NULL ? " " : "",
                   p->context != NULL ? p->context : "");
    }
    return ERR_CONFIG;
}

/* Invariant of the reader: r->event is the current event and is deleted before the next one; the
 * last one is deleted by cfg_yaml_parse(), also after an error. yaml_event_delete() of a zeroed
 * event is allowed. */
static enum err next_event(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        return report_syntax(r);
    }
    return ERR_OK;
}

/* What the event would bring in besides data, or NULL. */
static const char *refused_feature(const yaml_event_t *e)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return "an alias (*name)";
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor != NULL) {
        return "an anchor (&name)";
    }
    return tag != NULL ? "a tag (!name)" : NULL;
}

/* A node at the current event's place, bad until it is read. */
static enum err new_node(struct reader *r, struct cfg_node **out)
{
    struct cfg_node *node = ARENA_NEW(r->arena, 1, struct cfg_node);
    TRY(arena_error(r->arena));
    r->n_nodes++;
    if (r->n_nodes > NODES_MAX) {
        cfg_report(r->n_errors, mark_at(r, r->event.start_mark), "",
                   "more than %d values; no configuration is that long", NODES_MAX);
        return ERR_CONFIG;
    }
    node->kind = CFG_NODE_BAD;
    node->mark = mark_at(r, r->event.start_mark);
    const char *feature = refused_feature(&r->event);
    if (feature != NULL) {
        cfg_report(r->n_errors, node->mark, "",
                   "found %s, which a configuration may not use; write the value out, or move what "
                   "is shared to a file of its own and include it",
                   feature);
    }
    *out = node;
    return ERR_OK;
}

static enum err read_scalar(struct reader *r, struct cfg_node *node)
{
    const char *value = (const char *)r->event.data.scalar.value;
    /* "\0" in double quotes is a NUL, which would cut the C string. */
    if (strlen(value) != r->event.data.scalar.length) {
        cfg_report(r->n_errors, node->mark, "", "the text contains a NUL character; remove \\0");
        return ERR_OK;
    }
    node->text = arena_strdup(r->arena, value);
    TRY(arena_error(r->arena));
    node->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->kind = CFG_NODE_SCALAR;
    return ERR_OK;
}

static enum err read_node(struct reader *r, struct cfg_node **out, int depth);

static enum err check_depth(struct reader *r, struct cfg_mark mark, int depth)
{
    if (depth < CFG_DEPTH_MAX) {
        return ERR_OK;
    }
    cfg_report(r->n_errors, mark, "", "nested more than %d levels deep; no key lies that deep",
               CFG_DEPTH_MAX);
    return ERR_CONFIG;
}

static enum err read_list(struct reader *r, struct cfg_node *node, int depth)
{
    TRY(check_depth(r, node->mark, depth));
    /* `tail` is where the next entry is to be linked, so entries keep their order. Each node costs
     * at least one event, and the depth is bounded, so the recursion is, too. */
    node->kind = CFG_NODE_LIST;
    struct cfg_node **tail = &node->first;
    TRY(next_event(r));
    while (r->event.type != YAML_SEQUENCE_END_EVENT) {
        TRY(read_node(r, tail, depth + 1));
        tail = &(*tail)->next;
        node->n++;
        TRY(next_event(r));
    }
    return ERR_OK;
}

/* The key under the cursor. A list or map as key ends the reading: nothing after it is meant. */
static enum err read_key(struct reader *r, const char **key, struct cfg_mark *mark)
{
    struct cfg_node *node = NULL;
    *mark = mark_at(r, r->event.start_mark);
    if (r->event.type != YAML_SCALAR_EVENT) {
        cfg_report(r->n_errors, *mark, "", "a key must be a plain word, such as: name: value");
        return ERR_CONFIG;
    }
    TRY(new_node(r, &node));
    TRY(read_scalar(r, node));
    *key = node->text != NULL ? node->text : "";
    return ERR_OK;
}

static enum err read_map(struct reader *r, struct cfg_node *node, int depth)
{
    TRY(check_depth(r, node->mark, depth));
    node->kind = CFG_NODE_MAP;
    struct cfg_node **tail = &node->first;
    TRY(next_event(r));
    while (r->event.type != YAML_MAPPING_END_EVENT) {
        const char *key = NULL;
        struct cfg_mark key_mark;
        /* Keys may repeat here; config_read.c knows where one was given first. */
        TRY(read_key(r, &key, &key_mark));
        TRY(next_event(r));
        TRY(read_node(r, tail, depth + 1));
        (*tail)->key = key;
        (*tail)->key_mark = key_mark;
        tail = &(*tail)->next;
        node->n++;
        TRY(next_event(r));
    }
    return ERR_OK;
}

/* The node that begins with the current event; leaves the cursor on its last event. */
static enum err read_node(struct reader *r, struct cfg_node **out, int depth)
{
    struct cfg_node *node = NULL;
    TRY(new_node(r, &node));
    *out = node;
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, node);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(r, node, depth);
    case YAML_MAPPING_START_EVENT:
        return read_map(r, node, depth);
    default: /* an alias: reported, stays bad */
        return ERR_OK;
    }
}

static enum err read_stream(struct reader *r, struct cfg_node **root)
{
    *root = NULL;
    /* Events come as: stream start, then for each document its start, one node and its end, then
     * stream end. A text without a document is an empty configuration. */
    TRY(next_event(r)); /* stream start */
    TRY(next_event(r));
    if (r->event.type == YAML_STREAM_END_EVENT) {
        return ERR_OK;
    }
    TRY(next_event(r)); /* past document start */
    TRY(read_node(r, root, 0));
    TRY(next_event(r)); /* document end */
    TRY(next_event(r));
    if (r->event.type != YAML_STREAM_END_EVENT) {
        cfg_report(r->n_errors, mark_at(r, r->event.start_mark), "",
                   "a second document begins here; a configuration is one document: remove the "
                   "line '---' or '...', or use two files and include one");
    }
    return ERR_OK;
}

enum err cfg_yaml_parse(struct cfg_node **root, int *n_errors, struct arena *arena,
                        const struct cfg_origin *origin, const char *text, size_t len)
{
    struct reader r = {
        .arena = arena, .origin = origin, .text = text, .len = len, .n_errors = n_errors};
    if (!yaml_parser_initialize(&r.parser)) {
        log_error("%s: out of memory while parsing", origin->label);
        return ERR_MEMORY;
    }
    /* Otherwise libyaml would guess the encoding from the first bytes. */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(len > 0 ? text : ""), len);
    struct cfg_node *tree = NULL;
    enum err e = read_stream(&r, &tree);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (e == ERR_OK) {
        *root = tree;
    }
    return e;
}
