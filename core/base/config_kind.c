/* One of several kinds onto the struct. See CFG_ONE_OF in config.h.
 *
 * Choosing a kind makes its parameters from their defaults, in memory of their own; what the map
 * says is then read over them like any other table. A kind that is given again, by a later source,
 * keeps what it has.
 *
 * Maps that write the kind as a value are refused by config_older.c.
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
    /* Locations of the kind that was chosen before are forgotten with its parameters. */
    for (int i = 0; i < one->src_loc->n_children; i++) {
        one->src_loc->children[i] = (struct cfg_src_loc){.mark = {.origin = NULL}};
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
    TRY(cfg_src_loc_children(l, one->src_loc, n));
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
    /* The same origin gave a kind already: twice in one map. Another origin is a later source,
     * which may choose anew. Defaults have no origin. */
    if (l->origin != NULL && one->src_loc->mark.origin == l->origin) {
        if (before == kind) {
            cfg_report(&l->c->n_errors, mark, l->key.s,
                       "%s is given twice, first in line %d; remove one of the two", kind->name,
                       one->src_loc->mark.line);
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
    params.src_loc->mark = node->mark;
    one->src_loc->mark = node->mark;
    cfg_key_pop(&l->key, end);
    return e;
}

enum err cfg_kind_read_word(struct cfg_loading *l, const struct cfg_slot *one,
                            const struct cfg_node *word)
{
    /* A word stands for an empty map of that kind: all parameters at their defaults. */
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
    one->src_loc->mark = word->mark; /* a kind was given, if a wrong one */
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
