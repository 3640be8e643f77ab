/* One tree onto the struct: each value goes to the slot that its row describes.
 *
 * Errors are reported and counted while reading goes on, so that one run shows all of them.
 * Defaults are read like anything else, which is also their check.
 */
#include "core/base/config_parts.h"
#include "core/base/file.h"
#include "core/base/nearest.h"

#include <string.h>

const struct cfg_origin cfg_defaults = {.label = "default", .dir = ""};

static int *list_count(const struct cfg_slot *list)
{
    /* The struct holds the pointer at `offset` and the count at `count_offset`; list->at is the
     * address of the pointer, so the struct begins `offset` before it. */
    return (int *)(void *)((char *)list->at - list->field->offset + list->field->count_offset);
}

static int count_rows(const struct cfg_field *table)
{
    int n = 0;
    while (table[n].name != NULL) {
        n++;
    }
    return n;
}

enum err cfg_src_loc_children(struct cfg_loading *l, struct cfg_src_loc *src_loc, int n)
{
    struct cfg_src_loc *children = ARENA_NEW(l->c->arena, n, struct cfg_src_loc);
    TRY(arena_error(l->c->arena));
    src_loc->children = children;
    src_loc->n_children = n;
    return ERR_OK;
}

/* Unknown keys ------------------------------------------------------------------------------- */

/* Find a row called `name` anywhere below `table`; its dotted key goes to `k`. */
static bool find_elsewhere(struct cfg_key *k, const struct cfg_field *table, const char *name,
                           int depth)
{
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        size_t before = cfg_key_push(k, f->name);
        if (f->type == CFG_TYPE_ONE_OF || f->type == CFG_TYPE_RENAMED) {
            cfg_key_pop(k, before);
            continue;
        }
        if (strcmp(f->name, name) == 0 || (f->type == CFG_TYPE_TABLE && depth < CFG_DEPTH_MAX &&
                                           find_elsewhere(k, f->table, name, depth + 1))) {
            return true;
        }
        cfg_key_pop(k, before);
    }
    return false;
}

/* The i-th key that a table knows, those of its kinds among them; NULL behind the last. */
static const char *known_key(const struct cfg_field *table, int i)
{
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        const bool is_key = f->type != CFG_TYPE_ONE_OF && f->type != CFG_TYPE_RENAMED;
        if (is_key && i-- == 0) {
            return f->name;
        }
        for (int k = 0; f->type == CFG_TYPE_ONE_OF && f->kinds[k] != NULL; k++) {
            if (i-- == 0) {
                return f->kinds[k]->name;
            }
        }
    }
    return NULL;
}

static void report_unknown_key(struct cfg_loading *l, const struct cfg_field *table,
                               const char *name, struct cfg_mark mark)
{
    struct cfg_text hint = {.len = 0};
    struct cfg_key elsewhere = {.len = 0};
    struct nearest near = nearest_to(name);
    const int one = cfg_find_one_of(table);
    for (int i = 0; known_key(table, i) != NULL; i++) {
        nearest_offer(&near, known_key(table, i));
    }
    /* The hints in the order in which they probably help: a parameter that stands beside its
     * kind; a slip of the pen; a key that is right in another place; else all keys that are known
     * here. */
    if (one >= 0 && cfg_kind_add_hint(&hint, l, &table[one], name)) {
        /* it says all */
    } else if (nearest_word(&near) != NULL) {
        cfg_text_add(&hint, "did you mean '%s'?", nearest_word(&near));
    } else if (known_key(table, 0) == NULL) {
        cfg_text_add(&hint, "there are no keys here; leave it out");
    } else if (find_elsewhere(&elsewhere, l->c->root, name, 0)) {
        cfg_text_add(&hint, "that key is written %s", elsewhere.s);
    } else {
        cfg_text_add(&hint, "known here:");
        for (int i = 0; known_key(table, i) != NULL; i++) {
            cfg_text_add(&hint, "%s %s", i == 0 ? "" : ",", known_key(table, i));
        }
    }
    struct cfg_text found = {.len = 0};
    cfg_text_add_excerpt(&found, name);
    cfg_report(&l->c->n_errors, mark, l->key.s, "unknown key '%s'; %s", found.s, hint.s);
}

static void report_renamed(struct cfg_loading *l, const struct cfg_field *f, struct cfg_mark mark)
{
    cfg_report(&l->c->n_errors, mark, l->key.s, "unknown key '%s'; it is called '%s' now", f->name,
               f->def);
}

/* Values ------------------------------------------------------------------------------------- */

static void report_kind(struct cfg_loading *l, const struct cfg_slot *slot,
                        const struct cfg_node *node, const char *remedy)
{
    struct cfg_text t = {.len = 0};
    cfg_text_add(&t, "found ");
    cfg_text_add_found(&t, node);
    cfg_text_add(&t, ", allowed is ");
    if (slot->field != NULL) {
        cfg_text_add_allowed(&t, slot->field, slot->type);
    } else {
        cfg_text_add(&t, "a map of keys and values");
    }
    cfg_report(&l->c->n_errors, node->mark, l->key.s, "%s; %s", t.s, remedy);
}

/* The file beside the source if there is one, else one that is there or was installed, else the
 * name as it is. */
static const char *resolve_path(struct cfg_loading *l, const char *path)
{
    const char *dir = l->origin != NULL ? l->origin->dir : "";
    if (*path != '\0' && *path != '/' && *dir != '\0') {
        char *beside = arena_printf(l->c->arena, "%s%s", dir, path);
        if (beside == NULL || file_exists(beside)) {
            return beside;
        }
    }
    const char *found = file_installed(l->c->arena, path);
    return found == path ? arena_strdup(l->c->arena, path) : found;
}

/* A shell takes quotes away: on a command line they need quotes of their own. */
static void report_nothing(struct cfg_loading *l, const struct cfg_slot *slot,
                           const struct cfg_node *node)
{
    struct cfg_text remedy = {.len = 0};
    const bool is_set = l->origin != NULL && l->origin->is_set;
    if (is_set) {
        cfg_text_add(&remedy, "for an empty one write --set '%s=\"\"'", l->key.s);
    } else {
        cfg_text_add(&remedy, "write \"\" for an empty one");
    }
    report_kind(l, slot, node, remedy.s);
}

static enum err read_string(struct cfg_loading *l, const struct cfg_slot *slot,
                            const struct cfg_node *node)
{
    if (node->kind != CFG_NODE_SCALAR) {
        report_kind(l, slot, node, "write one value");
        return ERR_OK;
    }
    if (cfg_node_is_null(node)) {
        report_nothing(l, slot, node);
        return ERR_OK;
    }
    const char *s = slot->type == CFG_TYPE_PATH ? resolve_path(l, node->text)
                                                : arena_strdup(l->c->arena, node->text);
    if (s == NULL) {
        return ERR_MEMORY;
    }
    memcpy(slot->at, &s, sizeof s);
    return ERR_OK;
}

static enum err read_scalar(struct cfg_loading *l, const struct cfg_slot *slot,
                            const struct cfg_node *node)
{
    if (slot->type == CFG_TYPE_STRING || slot->type == CFG_TYPE_PATH) {
        return read_string(l, slot, node);
    }
    struct cfg_text problem = {.len = 0};
    if (!cfg_value_read(slot->at, &problem, slot->field, slot->type, node)) {
        cfg_report(&l->c->n_errors, node->mark, l->key.s, "%s", problem.s);
    }
    return ERR_OK;
}

/* One "key: value" of a map. */
static enum err read_entry(struct cfg_loading *l, const struct cfg_slot *map,
                           const struct cfg_node *entry)
{
    int row = cfg_find_row(map->table, entry->key);
    const struct cfg_slot one = cfg_slot_one_of(map);
    const int kind = one.field != NULL ? cfg_find_kind(one.field->kinds, entry->key) : -1;
    if (row < 0 && kind >= 0) {
        return cfg_kind_read(l, &one, kind, entry, entry->key_mark);
    }
    if (row < 0) {
        report_unknown_key(l, map->table, entry->key, entry->key_mark);
        return ERR_OK;
    }
    if (map->table[row].type == CFG_TYPE_RENAMED) {
        report_renamed(l, &map->table[row], entry->key_mark);
        return ERR_OK;
    }
    struct cfg_slot slot = cfg_slot_row(map, row);
    size_t before = cfg_key_push(&l->key, slot.field->name);
    enum err e = ERR_OK;
    /* Each source has an origin of its own, so an equal one means twice in one map. A value of an
     * earlier source is simply replaced. */
    if (l->origin != NULL && slot.src_loc->mark.origin == l->origin) {
        cfg_report(&l->c->n_errors, entry->key_mark, l->key.s,
                   "given twice, first in line %d; remove one of the two", slot.src_loc->mark.line);
    } else {
        e = cfg_read(l, &slot, entry);
        slot.src_loc->mark = entry->mark;
    }
    cfg_key_pop(&l->key, before);
    return e;
}

static enum err read_table(struct cfg_loading *l, const struct cfg_slot *slot,
                           const struct cfg_node *node)
{
    if (cfg_node_is_null(node)) {
        return ERR_OK; /* a heading whose keys are all commented out */
    }
    const struct cfg_slot one = cfg_slot_one_of(slot);
    if (one.field != NULL && node->kind == CFG_NODE_SCALAR) {
        return cfg_kind_read_word(l, &one, node);
    }
    if (node->kind != CFG_NODE_MAP) {
        report_kind(l, slot, node, "write its keys below it, indented, as key: value");
        return ERR_OK;
    }
    if (one.field != NULL && cfg_kind_refuse_flat(l, slot, &one, node)) {
        return ERR_OK;
    }
    for (const struct cfg_node *n = node->first; n != NULL && !cfg_gave_up(l); n = n->next) {
        /* `include` was read by config.c already, before this map. */
        bool is_include = slot->field == NULL && strcmp(n->key, "include") == 0;
        if (!is_include) {
            TRY(read_entry(l, slot, n));
        }
    }
    return ERR_OK;
}

static enum err read_item(struct cfg_loading *l, const struct cfg_slot *item,
                          const struct cfg_node *node)
{
    static const char *const EMPTY = "";
    /* An element begins with the defaults of its table. A text that is refused must still be a
     * valid string, since reading goes on. */
    item->src_loc->mark = node->mark;
    if (item->type == CFG_TYPE_TABLE) {
        TRY(cfg_read_defaults(l, item));
    } else if (item->type == CFG_TYPE_STRING || item->type == CFG_TYPE_PATH) {
        memcpy(item->at, &EMPTY, sizeof EMPTY);
    }
    return cfg_read(l, item, node);
}

/* Elements replace those that stood there. */
static enum err read_items(struct cfg_loading *l, const struct cfg_slot *list,
                           const struct cfg_node *node)
{
    TRY(cfg_src_loc_children(l, list->src_loc, node->n));
    void *items = arena_alloc(l->c->arena, (size_t)node->n, list->field->item_size);
    TRY(arena_error(l->c->arena));
    /* Elements go to memory of their own and replace the old list as a whole, count included.
     * *list_count() is set even if an element was refused: the load has failed then, and *out is
     * not written. */
    int i = 0;
    for (const struct cfg_node *n = node->first; n != NULL && !cfg_gave_up(l); n = n->next, i++) {
        struct cfg_slot item = cfg_slot_item(list, items, i);
        size_t before = cfg_key_push_index(&l->key, i);
        TRY(read_item(l, &item, n));
        cfg_key_pop(&l->key, before);
    }
    memcpy(list->at, &items, sizeof items);
    *list_count(list) = node->n;
    return ERR_OK;
}

static enum err read_list(struct cfg_loading *l, const struct cfg_slot *slot,
                          const struct cfg_node *node)
{
    const struct cfg_field *f = slot->field;
    if (node->kind != CFG_NODE_LIST) {
        report_kind(l, slot, node, "write [a, b], or one '- element' per line; [] is empty");
        return ERR_OK;
    }
    if (node->n < f->n_min || node->n > f->n_max) {
        cfg_report(&l->c->n_errors, node->mark, l->key.s,
                   "found %d elements, allowed are %d to %d; %s", node->n, f->n_min, f->n_max,
                   node->n < f->n_min ? "add the missing ones" : "remove some");
        return ERR_OK;
    }
    return read_items(l, slot, node);
}

enum err cfg_read(struct cfg_loading *l, const struct cfg_slot *slot, const struct cfg_node *node)
{
    if (node->kind == CFG_NODE_BAD) {
        return ERR_OK;
    }
    switch (slot->type) {
    case CFG_TYPE_TABLE:
        return read_table(l, slot, node);
    case CFG_TYPE_LIST:
        return read_list(l, slot, node);
    default:
        return read_scalar(l, slot, node);
    }
}

/* Defaults ----------------------------------------------------------------------------------- */

static enum err default_list(struct cfg_loading *l, const struct cfg_slot *slot)
{
    struct cfg_node *node = NULL;
    const char *text = slot->field->def;
    enum err e =
        cfg_yaml_parse(&node, &l->c->n_errors, &l->scratch, &cfg_defaults, text, strlen(text));
    if (e == ERR_MEMORY) {
        return e;
    }
    return e == ERR_OK && node != NULL ? cfg_read(l, slot, node) : ERR_OK;
}

static enum err default_value(struct cfg_loading *l, const struct cfg_slot *slot)
{
    const struct cfg_field *f = slot->field;
    if (slot->type == CFG_TYPE_STRING || slot->type == CFG_TYPE_PATH) {
        /* Static text of the table: it needs no copy, and is never NULL. */
        const char *s = f->def != CFG_REQUIRED ? f->def : "";
        memcpy(slot->at, &s, sizeof s);
        return ERR_OK;
    }
    if (f->def == CFG_REQUIRED) {
        return ERR_OK; /* zero, until missing keys are looked for */
    }
    if (slot->type == CFG_TYPE_LIST) {
        return default_list(l, slot);
    }
    /* A default is read by the same code as a value of the user, so a wrong default is found. */
    struct cfg_node node = {
        .kind = CFG_NODE_SCALAR, .text = f->def, .mark = {.origin = &cfg_defaults}};
    return read_scalar(l, slot, &node);
}

enum err cfg_read_defaults(struct cfg_loading *l, const struct cfg_slot *table)
{
    /* With origin NULL no value counts as given, so a source may give the key still. */
    const struct cfg_origin *outer = l->origin;
    l->origin = NULL;
    TRY(cfg_src_loc_children(l, table->src_loc, count_rows(table->table)));
    for (int i = 0; i < table->src_loc->n_children; i++) {
        struct cfg_slot slot = cfg_slot_row(table, i);
        size_t before = cfg_key_push(&l->key, slot.field->name);
        if (slot.type == CFG_TYPE_TABLE) {
            TRY(cfg_read_defaults(l, &slot));
        } else if (slot.type == CFG_TYPE_ONE_OF) {
            TRY(cfg_kind_default(l, &slot));
        } else if (slot.type != CFG_TYPE_RENAMED) {
            TRY(default_value(l, &slot));
        }
        cfg_key_pop(&l->key, before);
    }
    l->origin = outer;
    return ERR_OK;
}

static void report_missing(struct cfg_loading *l, const struct cfg_slot *slot, struct cfg_mark mark)
{
    struct cfg_text allowed = {.len = 0};
    if (slot->type == CFG_TYPE_ONE_OF) {
        cfg_kind_add_names(&allowed, slot->field->kinds);
        cfg_report(&l->c->n_errors, mark, l->key.s, "its %s is missing; add one of %s",
                   slot->field->doc, allowed.s);
        return;
    }
    cfg_text_add_allowed(&allowed, slot->field, slot->type);
    cfg_report(&l->c->n_errors, mark, l->key.s, "missing; add '%s: ...' (%s), %s",
               slot->field->name, slot->field->doc, allowed.s);
}

/* Of the chosen kind. */
static void check_missing_params(struct cfg_loading *l, const struct cfg_slot *one,
                                 struct cfg_mark mark)
{
    struct cfg_one chosen;
    memcpy(&chosen, one->at, sizeof chosen);
    for (int k = 0; chosen.kind != NULL && one->field->kinds[k] != NULL; k++) {
        if (one->field->kinds[k] == chosen.kind) {
            const struct cfg_slot params = cfg_slot_kind(one, k);
            const size_t before = cfg_key_push(&l->key, chosen.kind->name);
            cfg_check_missing(l, &params, mark);
            cfg_key_pop(&l->key, before);
        }
    }
}

void cfg_check_missing(struct cfg_loading *l, const struct cfg_slot *slot, struct cfg_mark mark)
{
    /* `mark` is the nearest location around this value that was given: the line under which the
     * missing key belongs. */
    if (slot->src_loc->mark.origin != NULL) {
        mark = slot->src_loc->mark;
    }
    bool nested = slot->type == CFG_TYPE_TABLE;
    /* Only tables can lack a key, so the walk goes through tables, lists of tables, and the
     * parameters of the chosen kind. The kind itself is no part of the key: it is named by its own
     * word. */
    bool of_tables = slot->type == CFG_TYPE_LIST && slot->field->item_type == CFG_TYPE_TABLE;
    if (!nested && slot->type != CFG_TYPE_RENAMED && slot->field->def == CFG_REQUIRED &&
        slot->src_loc->mark.origin == NULL) {
        report_missing(l, slot, mark);
    }
    if (slot->type == CFG_TYPE_ONE_OF) {
        check_missing_params(l, slot, mark);
    }
    for (int i = 0; (nested || of_tables) && i < slot->src_loc->n_children && !cfg_gave_up(l);
         i++) {
        struct cfg_slot child =
            nested ? cfg_slot_row(slot, i) : cfg_slot_item(slot, cfg_slot_items(slot), i);
        size_t before = l->key.len;
        if (of_tables) {
            (void)cfg_key_push_index(&l->key, i);
        } else if (child.type != CFG_TYPE_ONE_OF) {
            (void)cfg_key_push(&l->key, child.field->name);
        }
        cfg_check_missing(l, &child, mark);
        cfg_key_pop(&l->key, before);
    }
}

/* One key ------------------------------------------------------------------------------------ */

static void report_no_child(struct cfg_loading *l, const struct cfg_slot *slot, const char *part,
                            struct cfg_mark mark)
{
    if (slot->type == CFG_TYPE_TABLE) {
        report_unknown_key(l, slot->table, part, mark);
    } else if (slot->type == CFG_TYPE_LIST) {
        cfg_report(&l->c->n_errors, mark, l->key.s,
                   "no element '%.60s'; the list has %d, counted from 0", part,
                   slot->src_loc->n_children);
    } else {
        cfg_report(&l->c->n_errors, mark, l->key.s,
                   "a single value, it has no part '%.60s'; shorten the key", part);
    }
}

/* To the parameters of a kind; false, and reported, if another one is chosen. */
static bool enter_kind(struct cfg_loading *l, struct cfg_slot *slot, const struct cfg_slot *one,
                       int k, struct cfg_mark mark)
{
    const struct cfg_kind *kind = one->field->kinds[k];
    struct cfg_one chosen;
    memcpy(&chosen, one->at, sizeof chosen);
    if (chosen.kind == kind) {
        *slot = cfg_slot_kind(one, k);
        return true;
    }
    cfg_report(&l->c->n_errors, mark, l->key.s,
               "the %s there is %s, so %s has no parameters to set; write --set '%s.%s={KEY: "
               "VALUE}' to choose %s instead",
               one->field->doc, chosen.kind != NULL ? chosen.kind->name : "not given", kind->name,
               l->key.s, kind->name, kind->name);
    return false;
}

enum err cfg_read_key(struct cfg_loading *l, char *key, const struct cfg_node *node)
{
    struct cfg_slot slot = l->root;
    char *rest = key;
    /* Invariant: l->key spells the parts that were walked, and `slot` is where they led. A kind as
     * the last part is chosen; a kind further in front must be the chosen one. */
    for (char *part = strsep(&rest, "."); part != NULL; part = strsep(&rest, ".")) {
        int i = cfg_slot_child(&slot, part);
        const struct cfg_slot one = cfg_slot_one_of(&slot);
        const int kind = i < 0 && one.field != NULL ? cfg_find_kind(one.field->kinds, part) : -1;
        if (kind >= 0 && rest == NULL) {
            return cfg_kind_read(l, &one, kind, node, node->mark);
        }
        if (kind >= 0 && enter_kind(l, &slot, &one, kind, node->mark)) {
            (void)cfg_key_push(&l->key, part);
            continue;
        }
        if (kind >= 0) {
            return ERR_OK;
        }
        if (i >= 0 && slot.type == CFG_TYPE_TABLE && slot.table[i].type == CFG_TYPE_RENAMED) {
            report_renamed(l, &slot.table[i], node->mark);
            return ERR_OK;
        }
        if (i < 0) {
            report_no_child(l, &slot, part, node->mark);
            return ERR_OK;
        }
        slot = slot.type == CFG_TYPE_TABLE ? cfg_slot_row(&slot, i)
                                           : cfg_slot_item(&slot, cfg_slot_items(&slot), i);
        (void)cfg_key_push(&l->key, part);
    }
    enum err e = cfg_read(l, &slot, node);
    slot.src_loc->mark = node->mark;
    return e;
}
