/* One of several kinds onto the struct. See CFG_ONE_OF in config.h.
 *
 * Choosing a kind makes its parameters from their defaults, in memory of their own; what the map
 * says is then read over them like any other table. A kind that is given again, by a later source,
 * keeps what it has.
 *
 * Older versions wrote the kind as a value and the parameters of all kinds beside it: {kind: khpa,
 * target: 0.5}. Such a map is refused with the map to write instead.
 */
#include "core/base/config_parts.h"
#include "core/base/nearest.h"

#include <string.h>

struct cfg_slot cfg_slot_one_of(const struct cfg_slot *table)
{
    const int row = table->type == CFG_TYPE_TABLE ? cfg_find_one_of(table->table) : -1;
    return row >= 0 ? cfg_slot_row(table, row) : (struct cfg_slot){.field = NULL};
}

void cfg_kind_add_names(struct cfg_text *t, const struct cfg_kind *const *kinds)
{
    for (int k = 0; kinds[k] != NULL; k++) {
        cfg_text_add(t, "%s%s", k == 0 ? "" : kinds[k + 1] == NULL ? " or " : ", ", kinds[k]->name);
    }
}

/* ---- choosing ---- */

static const struct cfg_kind *chosen_kind(const struct cfg_slot *one)
{
    struct cfg_one chosen;
    memcpy(&chosen, one->at, sizeof chosen);
    return chosen.kind;
}

/* Kind `k` with its defaults, in place of the one that is chosen. */
static enum err choose(struct cfg_loading *l, const struct cfg_slot *one, int k)
{
    const struct cfg_kind *kind = one->field->kinds[k];
    const struct cfg_one chosen = {.kind = kind, .params = arena_alloc(l->c->arena, 1, kind->size)};
    TRY(arena_error(l->c->arena));
    for (int i = 0; i < one->place->n_children; i++) {
        one->place->children[i] = (struct cfg_place){.mark = {.origin = NULL}};
    }
    memcpy(one->at, &chosen, sizeof chosen);
    const struct cfg_slot params = cfg_slot_kind(one, k);
    return cfg_read_defaults(l, &params);
}

enum err cfg_kind_default(struct cfg_loading *l, const struct cfg_slot *one)
{
    const struct cfg_field *f = one->field;
    const struct cfg_one none = {.kind = NULL};
    int n = 0;
    while (f->kinds[n] != NULL) {
        n++;
    }
    memcpy(one->at, &none, sizeof none);
    TRY(cfg_place_children(l, one->place, n));
    if (f->def == CFG_REQUIRED || *f->def == '\0') {
        return ERR_OK;
    }
    const int k = cfg_find_kind(f->kinds, f->def);
    CHECK(k >= 0);
    return choose(l, one, k);
}

enum err cfg_kind_read(struct cfg_loading *l, const struct cfg_slot *one, int k,
                       const struct cfg_node *node, struct cfg_mark mark)
{
    const struct cfg_kind *kind = one->field->kinds[k], *before = chosen_kind(one);
    if (l->origin != NULL && one->place->mark.origin == l->origin) {
        if (before == kind) {
            cfg_report(&l->c->n_errors, mark, l->key.s,
                       "%s is given twice, first in line %d; remove one of the two", kind->name,
                       one->place->mark.line);
        } else {
            cfg_report(&l->c->n_errors, mark, l->key.s,
                       "both %s and %s are given, but there is one %s; remove one of the two",
                       before != NULL ? before->name : "another", kind->name, one->field->doc);
        }
        return ERR_OK;
    }
    if (before != kind) {
        TRY(choose(l, one, k));
    }
    const struct cfg_slot params = cfg_slot_kind(one, k);
    const size_t end = cfg_key_push(&l->key, kind->name);
    const enum err e = cfg_read(l, &params, node);
    params.place->mark = node->mark;
    one->place->mark = node->mark;
    cfg_key_pop(&l->key, end);
    return e;
}

enum err cfg_kind_read_word(struct cfg_loading *l, const struct cfg_slot *one,
                            const struct cfg_node *word)
{
    const struct cfg_node defaults = {.kind = CFG_NODE_MAP, .mark = word->mark};
    const int k = word->quoted ? -1 : cfg_find_kind(one->field->kinds, word->text);
    struct nearest near = nearest_to(word->text);
    if (k >= 0) {
        return cfg_kind_read(l, one, k, &defaults, word->mark);
    }
    for (int i = 0; one->field->kinds[i] != NULL; i++) {
        nearest_offer(&near, one->field->kinds[i]->name);
    }
    struct cfg_text found = {.len = 0}, remedy = {.len = 0};
    cfg_text_add_found(&found, word);
    if (nearest_word(&near) != NULL) {
        cfg_text_add(&remedy, "did you mean '%s'?", nearest_word(&near));
    } else {
        cfg_text_add(&remedy, "write one of ");
        cfg_kind_add_names(&remedy, one->field->kinds);
    }
    one->place->mark = word->mark; /* a kind was given, if a wrong one */
    cfg_report(&l->c->n_errors, word->mark, l->key.s,
               "found %s, which is no %s; %s, or a map with its parameters", found.s,
               one->field->doc, remedy.s);
    return ERR_OK;
}

/* ---- keys in the wrong place ---- */

bool cfg_kind_add_hint(struct cfg_text *hint, const struct cfg_loading *l,
                       const struct cfg_field *one, const char *key)
{
    int n = 0;
    for (int k = 0; one->kinds[k] != NULL; k++) {
        const struct cfg_field *table = one->kinds[k]->table;
        const int row = cfg_find_row(table, key);
        if (row < 0) {
            continue;
        }
        const char *name = table[row].type == CFG_TYPE_RENAMED ? table[row].def : key;
        const bool is_set = l->origin != NULL && l->origin->is_set;
        cfg_text_add(hint, n == 0 ? "it is a parameter; write " : " or ");
        cfg_text_add(hint, is_set ? "%s.%s=VALUE" : "%s: {%s: VALUE}", one->kinds[k]->name, name);
        n++;
    }
    return n > 0;
}

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

static void add_value(struct cfg_text *t, const struct cfg_node *node)
{
    if (node->kind == CFG_NODE_SCALAR) {
        cfg_text_add(t, "%s%s%s", node->quoted ? "\"" : "", node->text, node->quoted ? "\"" : "");
        return;
    }
    const char *comma = "";
    cfg_text_add(t, node->kind == CFG_NODE_LIST ? "[" : "{");
    for (const struct cfg_node *n = node->first; n != NULL; n = n->next, comma = ", ") {
        cfg_text_add(t, "%s%s%s", comma, n->key != NULL ? n->key : "", n->key != NULL ? ": " : "");
        add_value(t, n);
    }
    cfg_text_add(t, node->kind == CFG_NODE_LIST ? "]" : "}");
}

/* "khpa: {target: 0.5}" of the flat map, from the keys that the kind knows and `outer` does not. A
 * table with kinds of its own (`rule: khpa`) takes from the same map. */
static void add_nested(struct cfg_text *t, const struct cfg_kind *kind, const struct cfg_node *map,
                       const struct cfg_field *outer)
{
    const char *comma = "";
    cfg_text_add(t, "%s: {", kind->name);
    for (const struct cfg_node *n = map->first; n != NULL; n = n->next) {
        int row = cfg_find_row(kind->table, n->key);
        if (row < 0 || cfg_find_row(outer, n->key) >= 0) {
            continue;
        }
        if (kind->table[row].type == CFG_TYPE_RENAMED) {
            row = cfg_find_row(kind->table, kind->table[row].def);
        }
        const struct cfg_field *f = &kind->table[row];
        const int one = f->type == CFG_TYPE_TABLE ? cfg_find_one_of(f->table) : -1;
        const int inner = one >= 0 ? named_kind(f->table[one].kinds, n) : -1;
        if (one >= 0 && inner < 0 && n->kind == CFG_NODE_SCALAR) {
            continue; /* the word of an older version for none of them */
        }
        cfg_text_add(t, "%s%s: ", comma, f->name);
        comma = ", ";
        if (inner >= 0) {
            cfg_text_add(t, "{");
            add_nested(t, f->table[one].kinds[inner], map, kind->table);
            cfg_text_add(t, "}");
        } else {
            add_value(t, n);
        }
    }
    cfg_text_add(t, "}");
}

bool cfg_kind_refuse_flat(struct cfg_loading *l, const struct cfg_slot *table,
                          const struct cfg_slot *one, const struct cfg_node *map)
{
    const struct cfg_node *given = find_entry(map, "kind");
    const int k = named_kind(one->field->kinds, given);
    if (k < 0 || cfg_find_row(table->table, "kind") >= 0) {
        return false;
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
    one->place->mark = given->mark; /* a kind was given: it is not missing, too */
    cfg_report(&l->c->n_errors, given->key_mark, l->key.s,
               "the parameters of a kind stand in a map of that kind; write %s", instead.s);
    return true;
}
