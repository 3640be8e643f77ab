/* Maps of older versions, and the map to write instead.
 *
 * Older versions wrote the kind as a value and the parameters of all kinds beside it:
 *
 *     {name: a, kind: khpa, target: 0.5}     now     {name: a, khpa: {target: 0.5}}
 *
 * Such a map is refused. The message holds the new map, in YAML that can be pasted, and names every
 * key that has no place in it. Long lists are shortened.
 */
#include "core/base/config_parts.h"
#include "core/base/nearest.h"

#include <string.h>

enum { LIST_SHOWN = 4 }; /* elements of a list */

static const struct cfg_node *find_entry(const struct cfg_node *map, const char *key)
{
    for (const struct cfg_node *n = map->first; n != NULL; n = n->next) {
        if (strcmp(n->key, key) == 0) {
            return n;
        }
    }
    return NULL;
}

/* The kind that an entry's word names, or -1. */
static int named_kind(const struct cfg_kind *const *kinds, const struct cfg_node *entry)
{
    return entry != NULL && entry->kind == CFG_NODE_SCALAR ? cfg_find_kind(kinds, entry->text) : -1;
}

/* ---- YAML in flow style ---- */

/* A text in double quotes. */
static void add_quoted(struct cfg_text *t, const char *text)
{
    cfg_text_add(t, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte < ' ' || byte == 0x7F) {
            cfg_text_add(t, "\\x%02X", byte);
        } else {
            cfg_text_add(t, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
        }
    }
    cfg_text_add(t, "\"");
}

/* What stands without quotes in a block may need them in a map of one line. */
static void add_word(struct cfg_text *t, const char *text, bool quoted)
{
    if (quoted || text[strcspn(text, ",[]{}\"\\\n")] != '\0') {
        add_quoted(t, text);
    } else {
        cfg_text_add(t, "%s", text);
    }
}

static void add_value(struct cfg_text *t, const struct cfg_node *node)
{
    int i = 0;
    if (node->kind == CFG_NODE_SCALAR) {
        add_word(t, node->text, node->quoted);
        return;
    }
    cfg_text_add(t, node->kind == CFG_NODE_LIST ? "[" : "{");
    for (const struct cfg_node *n = node->first; n != NULL; n = n->next, i++) {
        if (node->kind == CFG_NODE_LIST && i == LIST_SHOWN) {
            cfg_text_add(t, ", and the other %d", node->n - i);
            break;
        }
        cfg_text_add(t, i > 0 ? ", " : "");
        if (n->key != NULL) {
            add_word(t, n->key, false);
            cfg_text_add(t, ": ");
        }
        add_value(t, n);
    }
    cfg_text_add(t, node->kind == CFG_NODE_LIST ? "]" : "}");
}

/* ---- which keys go where ---- */

/* The row of a table that holds a kind of its own, as `rule` does; NULL. */
static const struct cfg_field *kinds_inside(const struct cfg_field *f)
{
    const int one = f->type == CFG_TYPE_TABLE ? cfg_find_one_of(f->table) : -1;
    return one >= 0 ? &f->table[one] : NULL;
}

/* The kind inside row `f`, to which keys of the flat map may belong: the one that the map names
 * under that key. If it names none under any key, the default; NULL: there is none. */
static const struct cfg_kind *kind_inside(const struct cfg_kind *kind, const struct cfg_field *f,
                                          const struct cfg_node *map)
{
    const struct cfg_field *one = kinds_inside(f);
    const struct cfg_node *entry = one != NULL ? find_entry(map, f->name) : NULL;
    /* The default counts only if the map names no kind under any row: otherwise keys of the flat
     * map would also be tried on a kind that nobody chose. */
    bool named = false;
    for (const struct cfg_field *row = kind->table; row->name != NULL; row++) {
        named = named || (kinds_inside(row) != NULL && find_entry(map, row->name) != NULL);
    }
    if (one == NULL || (entry == NULL && (named || one->def == NULL))) {
        return NULL;
    }
    const int k =
        entry != NULL ? named_kind(one->kinds, entry) : cfg_find_kind(one->kinds, one->def);
    return k >= 0 ? one->kinds[k] : NULL;
}

/* A word that an older version had under a key, and what stands for it now; NULL. */
static const char *replacement(const struct cfg_kind *kind, const struct cfg_node *n)
{
    for (const struct cfg_field *f = kind->table; f->name != NULL; f++) {
        if (f->type == CFG_TYPE_RENAMED && strcmp(f->name, n->key) == 0 && f->unit[0] != '\0' &&
            n->kind == CFG_NODE_SCALAR && strcmp(n->text, f->unit) == 0) {
            return f->def;
        }
    }
    return NULL;
}

/* The row that a flat entry becomes in a map of this kind; NULL: none. The old name of a row that
 * was renamed leads to the row of today. */
static const struct cfg_field *row_of(const struct cfg_kind *kind, const struct cfg_node *n)
{
    int row = cfg_find_row(kind->table, n->key);
    if (row >= 0 && kind->table[row].type == CFG_TYPE_RENAMED) {
        row = cfg_find_row(kind->table, kind->table[row].def);
    }
    return row >= 0 ? &kind->table[row] : NULL;
}

/* The row holds a kind of its own, and the entry's word names none of those kinds. */
static bool is_wrong_word(const struct cfg_field *f, const struct cfg_node *n)
{
    const struct cfg_field *one = kinds_inside(f);
    return one != NULL && n->kind == CFG_NODE_SCALAR && cfg_find_kind(one->kinds, n->text) < 0;
}

/* Has this entry a place in a map of the kind, or in that of a kind inside it? Where a kind inside
 * is optional (default ""), a word that names none was the way to say so, and add_entry() drops it.
 * The recursion ends, because kinds inside of kinds do. */
static bool takes(const struct cfg_kind *kind, const struct cfg_node *map, const struct cfg_node *n)
{
    const struct cfg_field *own = row_of(kind, n);
    if (replacement(kind, n) != NULL) {
        return true;
    }
    if (own != NULL) {
        const struct cfg_field *one = kinds_inside(own);
        return !is_wrong_word(own, n) || (one->def != NULL && one->def[0] == '\0');
    }
    for (const struct cfg_field *f = kind->table; f->name != NULL; f++) {
        const struct cfg_kind *inner = kind_inside(kind, f, map);
        if (inner != NULL && takes(inner, map, n)) {
            return true;
        }
    }
    return false;
}

static bool takes_any(const struct cfg_kind *kind, const struct cfg_node *map,
                      const struct cfg_field *outer)
{
    for (const struct cfg_node *n = map->first; n != NULL; n = n->next) {
        if (cfg_find_row(outer, n->key) < 0 && takes(kind, map, n)) {
            return true;
        }
    }
    return false;
}

/* ---- the new map ---- */

static void add_nested(struct cfg_text *t, const struct cfg_kind *kind, const struct cfg_node *map,
                       const struct cfg_field *outer);

/* One entry of the flat map inside the map of the kind; false: it adds nothing. */
static bool add_entry(struct cfg_text *t, const char *comma, const struct cfg_kind *kind,
                      const struct cfg_node *n, const struct cfg_node *map)
{
    const struct cfg_field *f = row_of(kind, n);
    const char *instead = replacement(kind, n);
    if (instead != NULL) {
        cfg_text_add(t, "%s%s", comma, instead);
        return true;
    }
    if (f == NULL || is_wrong_word(f, n)) {
        return false;
    }
    cfg_text_add(t, "%s%s: ", comma, f->name);
    const struct cfg_field *one = kinds_inside(f);
    const int inner = one != NULL ? named_kind(one->kinds, n) : -1;
    if (inner >= 0) {
        cfg_text_add(t, "{");
        add_nested(t, one->kinds[inner], map, kind->table);
        cfg_text_add(t, "}");
    } else {
        add_value(t, n);
    }
    return true;
}

/* "khpa: {target: 0.5}" of the flat map, from the keys that the kind knows and `outer` does not,
 * and from a map that stands under the kind's name already. A table with kinds of its own (`rule:
 * khpa`) takes from the same map. */
static void add_nested(struct cfg_text *t, const struct cfg_kind *kind, const struct cfg_node *map,
                       const struct cfg_field *outer)
{
    const char *comma = "";
    const struct cfg_node *begun = find_entry(map, kind->name);
    cfg_text_add(t, "%s: {", kind->name);
    for (const struct cfg_node *n = begun != NULL ? begun->first : NULL; n != NULL; n = n->next) {
        cfg_text_add(t, "%s%s: ", comma, n->key != NULL ? n->key : "");
        add_value(t, n);
        comma = ", ";
    }
    for (const struct cfg_node *n = map->first; n != NULL; n = n->next) {
        const bool twice =
            begun != NULL && begun->kind == CFG_NODE_MAP && find_entry(begun, n->key) != NULL;
        if (!twice && cfg_find_row(outer, n->key) < 0 && add_entry(t, comma, kind, n, map)) {
            comma = ", ";
        }
    }
    for (const struct cfg_field *f = kind->table; f->name != NULL; f++) {
        const struct cfg_kind *inner =
            find_entry(map, f->name) == NULL ? kind_inside(kind, f, map) : NULL;
        if (inner != NULL && takes_any(inner, map, kind->table)) {
            cfg_text_add(t, "%s%s: {", comma, f->name);
            add_nested(t, inner, map, kind->table);
            cfg_text_add(t, "}");
            comma = ", ";
        }
    }
    cfg_text_add(t, "}");
}

/* "; of no use to khpa: 'tarket' (did you mean 'target'?), 'ff'" */
static void add_left_out(struct cfg_text *t, const struct cfg_kind *kind,
                         const struct cfg_node *map, const struct cfg_field *outer)
{
    int n_left = 0;
    for (const struct cfg_node *n = map->first; n != NULL; n = n->next) {
        const bool is_kind = strcmp(n->key, "kind") == 0;
        const bool begun = strcmp(n->key, kind->name) == 0 && n->kind == CFG_NODE_MAP;
        if (is_kind || begun || cfg_find_row(outer, n->key) >= 0 || takes(kind, map, n)) {
            continue;
        }
        struct nearest near = nearest_to(n->key);
        for (const struct cfg_field *f = kind->table; f->name != NULL; f++) {
            nearest_offer(&near, f->name);
        }
        cfg_text_add(t, n_left++ == 0 ? "; left out, because %s has no such parameter: '" : ", '",
                     kind->name);
        cfg_text_add_excerpt(t, n->key);
        cfg_text_add(t, "'");
        if (row_of(kind, n) != NULL) {
            cfg_text_add(t, " with that value");
        } else if (nearest_word(&near) != NULL) {
            cfg_text_add(t, " (did you mean '%s'?)", nearest_word(&near));
        }
    }
}

/* `kind: NAME` with a name that there is not. */
static void refuse_name(struct cfg_loading *l, const struct cfg_slot *one,
                        const struct cfg_node *given)
{
    struct cfg_text found = {.len = 0}, remedy = {.len = 0};
    struct nearest near = nearest_to(given->kind == CFG_NODE_SCALAR ? given->text : "");
    for (int i = 0; one->field->kinds[i] != NULL; i++) {
        nearest_offer(&near, one->field->kinds[i]->name);
    }
    cfg_text_add_found(&found, given);
    if (nearest_word(&near) != NULL) {
        cfg_text_add(&remedy, "did you mean '%s'? Write it as", nearest_word(&near));
    } else {
        cfg_text_add(&remedy, "write one of ");
        cfg_kind_add_names(&remedy, one->field->kinds);
        cfg_text_add(&remedy, " as");
    }
    cfg_report(&l->c->n_errors, given->mark, l->key.s,
               "found %s, which is no %s; %s a key with its parameters in a map: %s: {KEY: VALUE}",
               found.s, one->field->doc, remedy.s,
               nearest_word(&near) != NULL ? nearest_word(&near) : one->field->kinds[0]->name);
}

bool cfg_kind_refuse_flat(struct cfg_loading *l, const struct cfg_slot *table,
                          const struct cfg_slot *one, const struct cfg_node *map)
{
    const struct cfg_node *given = find_entry(map, "kind");
    if (given == NULL || cfg_find_row(table->table, "kind") >= 0) {
        return false;
    }
    one->src_loc->mark = given->mark; /* a kind was given: it is not missing, too */
    const int k = named_kind(one->field->kinds, given);
    if (k < 0) {
        refuse_name(l, one, given);
        return true;
    }
    struct cfg_text instead = {.len = 0};
    cfg_text_add(&instead, "{");
    for (const struct cfg_node *n = map->first; n != NULL; n = n->next) {
        if (cfg_find_row(table->table, n->key) >= 0) {
            cfg_text_add(&instead, "%s: ", n->key);
            add_value(&instead, n);
            cfg_text_add(&instead, ", ");
        }
    }
    add_nested(&instead, one->field->kinds[k], map, table->table);
    cfg_text_add(&instead, "}");
    add_left_out(&instead, one->field->kinds[k], map, table->table);
    cfg_report(&l->c->n_errors, given->key_mark, l->key.s,
               "the parameters of a kind stand in a map of that kind; write %s", instead.s);
    return true;
}
