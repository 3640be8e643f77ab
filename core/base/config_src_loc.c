/* Where a value is: a dotted key -> its row, its bytes in the struct, the line that gave it.
 *
 * While sources are read, the key in hand and its slot move along together. After that only places
 * are left; they answer which line a later check has to name.
 */
#include "core/base/config_parts.h"
#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

/* Keys --------------------------------------------------------------------------------------- */

size_t cfg_key_push(struct cfg_key *k, const char *part)
{
    /* A key that is too long is cut, and k->len stays the length of what is there. cfg_key_pop()
     * restores any earlier length, so pushes and pops nest. */
    size_t before = k->len;
    int n = snprintf(k->s + k->len, sizeof k->s - k->len, "%s%s", k->len > 0 ? "." : "", part);
    k->len += n > 0 ? (size_t)n : 0;
    if (k->len >= sizeof k->s) {
        k->len = sizeof k->s - 1;
    }
    return before;
}

size_t cfg_key_push_index(struct cfg_key *k, int i)
{
    char part[16];
    (void)snprintf(part, sizeof part, "%d", i);
    return cfg_key_push(k, part);
}

void cfg_key_pop(struct cfg_key *k, size_t before)
{
    k->len = before;
    k->s[before] = '\0';
}

/* Slots -------------------------------------------------------------------------------------- */

int cfg_find_row(const struct cfg_field *table, const char *name)
{
    for (int i = 0; table[i].name != NULL; i++) {
        if (table[i].type != CFG_TYPE_ONE_OF && strcmp(table[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int cfg_find_one_of(const struct cfg_field *table)
{
    for (int i = 0; table[i].name != NULL; i++) {
        if (table[i].type == CFG_TYPE_ONE_OF) {
            return i;
        }
    }
    return -1;
}

int cfg_find_kind(const struct cfg_kind *const *kinds, const char *name)
{
    for (int k = 0; kinds[k] != NULL; k++) {
        if (strcmp(kinds[k]->name, name) == 0) {
            return k;
        }
    }
    return -1;
}

struct cfg_slot cfg_slot_row(const struct cfg_slot *parent, int row)
{
    const struct cfg_field *f = &parent->table[row];
    return (struct cfg_slot){.field = f,
                             .type = f->type,
                             .table = f->table,
                             .at = (char *)parent->at + f->offset,
                             .src_loc = &parent->src_loc->children[row]};
}

struct cfg_slot cfg_slot_kind(const struct cfg_slot *one, int k)
{
    struct cfg_one chosen;
    memcpy(&chosen, one->at, sizeof chosen);
    return (struct cfg_slot){.field = one->field,
                             .type = CFG_TYPE_TABLE,
                             .table = one->field->kinds[k]->table,
                             .at = (void *)(uintptr_t)chosen.params, /* this load's own */
                             .src_loc = &one->src_loc->children[k]};
}

void *cfg_slot_items(const struct cfg_slot *list)
{
    void *items = NULL;
    memcpy(&items, list->at, sizeof items);
    return items;
}

struct cfg_slot cfg_slot_item(const struct cfg_slot *list, void *items, int i)
{
    const struct cfg_field *f = list->field;
    return (struct cfg_slot){.field = f,
                             .type = f->item_type,
                             .table = f->table,
                             .at = (char *)items + (size_t)i * f->item_size,
                             .src_loc = &list->src_loc->children[i]};
}

/* "12" -> 12; -1 if it is no index. */
static int parse_index(const char *part)
{
    int i = 0;
    size_t n = strlen(part);
    /* At most 8 digits fit an int. A leading zero is refused, so an element has one spelling. */
    if (n == 0 || n > 8 || strspn(part, "0123456789") != n || (n > 1 && part[0] == '0')) {
        return -1;
    }
    for (; *part != '\0'; part++) {
        i = i * 10 + (*part - '0');
    }
    return i;
}

int cfg_slot_child(const struct cfg_slot *slot, const char *part)
{
    if (slot->type == CFG_TYPE_TABLE) {
        return cfg_find_row(slot->table, part);
    }
    /* parse_index() gives -1 for what is no index, which passes the comparison. */
    int i = slot->type == CFG_TYPE_LIST ? parse_index(part) : -1;
    return i < slot->src_loc->n_children ? i : -1;
}

/* Source locations --------------------------------------------------------------------------- */

/* The part of `key` up to the next dot into `part`; what follows it, or NULL at the end. */
static const char *next_part(char part[CFG_KEY_MAX], const char *key)
{
    size_t n = strcspn(key, ".");
    (void)snprintf(part, CFG_KEY_MAX, "%.*s", (int)n, key);
    return key[n] == '.' ? key + n + 1 : NULL;
}

/* Step to the part of that name, without its value; false: there is none. */
static bool step_into(struct cfg_slot *slot, const char *part)
{
    const struct cfg_src_loc *src_loc = slot->src_loc;
    const bool row = slot->type == CFG_TYPE_TABLE;
    const int i = cfg_slot_child(slot, part);
    if (i >= 0 && i < src_loc->n_children) {
        const struct cfg_field *f = row ? &slot->table[i] : slot->field;
        *slot = (struct cfg_slot){.field = f,
                                  .type = row ? f->type : f->item_type,
                                  .table = f->table,
                                  .src_loc = &src_loc->children[i]};
        return true;
    }
    const int one = row ? cfg_find_one_of(slot->table) : -1;
    const int k = one >= 0 ? cfg_find_kind(slot->table[one].kinds, part) : -1;
    if (k < 0 || one >= src_loc->n_children || k >= src_loc->children[one].n_children) {
        return false;
    }
    *slot = (struct cfg_slot){.field = &slot->table[one],
                              .type = CFG_TYPE_TABLE,
                              .table = slot->table[one].kinds[k]->table,
                              .src_loc = &src_loc->children[one].children[k]};
    return true;
}

/* Location of the value; if it was not given, the nearest one around it and *given false. */
static struct cfg_mark find_mark(const struct cfg *c, const char *key, bool *given)
{
    char part[CFG_KEY_MAX];
    struct cfg_mark mark = {.origin = NULL};
    struct cfg_slot slot = {.type = CFG_TYPE_TABLE, .table = c->root, .src_loc = c->src_locs};
    *given = false;
    for (const char *rest = key; rest != NULL && slot.src_loc != NULL;) {
        /* Invariant: `slot` is the value that the parts before `rest` lead to, and mark the
         * location of the last one of them that was given. */
        rest = next_part(part, rest);
        if (!step_into(&slot, part)) {
            *given = false;
            return mark;
        }
        *given = slot.src_loc->mark.origin != NULL;
        mark = *given ? slot.src_loc->mark : mark;
    }
    return mark;
}

static void describe_src_loc(struct cfg_text *t, const struct cfg *c, const char *key)
{
    bool given = false;
    struct cfg_mark mark = find_mark(c, key, &given);
    cfg_text_add_mark(t, mark);
    if (!given && mark.origin != NULL && mark.origin != &cfg_defaults) {
        cfg_text_add(t, " (by default)");
    }
}

const char *cfg_where(const struct cfg *c, const char *key)
{
    struct cfg_text t = {.len = 0};
    describe_src_loc(&t, c, key);
    const char *copy = arena_strdup(c->arena, t.s);
    return copy != NULL ? copy : "(location unknown: out of memory)";
}

enum err cfg_error(const struct cfg *c, const char *key, const char *fmt, ...)
{
    struct cfg_text src_loc = {.len = 0};
    char sentence[1500];
    va_list ap;
    describe_src_loc(&src_loc, c, key);
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    log_error("%s: %s: %s", src_loc.s, key, sentence);
    return ERR_CONFIG;
}

/* Values ------------------------------------------------------------------------------------- */

/* Step to the part of that name, with its value; false: there is none. */
static bool step_to_value(struct cfg_slot *slot, const char *part)
{
    const int i = cfg_slot_child(slot, part);
    if (i >= 0) {
        *slot = slot->type == CFG_TYPE_TABLE ? cfg_slot_row(slot, i)
                                             : cfg_slot_item(slot, cfg_slot_items(slot), i);
        return slot->type != CFG_TYPE_RENAMED;
    }
    const struct cfg_slot one = cfg_slot_one_of(slot);
    const int k = one.field != NULL ? cfg_find_kind(one.field->kinds, part) : -1;
    struct cfg_one chosen = {.kind = NULL};
    if (k >= 0) {
        memcpy(&chosen, one.at, sizeof chosen);
    }
    if (k < 0 || chosen.kind != one.field->kinds[k]) {
        return false;
    }
    *slot = cfg_slot_kind(&one, k);
    return true;
}

bool cfg_find_value(struct cfg_value *out, const struct cfg *c, const void *values, const char *key)
{
    char part[CFG_KEY_MAX];
    struct cfg_slot slot = {.type = CFG_TYPE_TABLE,
                            .table = c->root,
                            .at = (void *)(uintptr_t)values, /* read only */
                            .src_loc = c->src_locs};
    for (const char *rest = key; rest != NULL;) {
        rest = next_part(part, rest);
        if (!step_to_value(&slot, part)) {
            return false;
        }
    }
    const bool of_tables = slot.type == CFG_TYPE_LIST && slot.field->item_type == CFG_TYPE_TABLE;
    if (slot.type == CFG_TYPE_TABLE || of_tables) {
        return false;
    }
    *out = (struct cfg_value){.field = slot.field, .type = slot.type, .at = slot.at};
    return true;
}

/* Unused keys -------------------------------------------------------------------------------- */

static bool is_covered(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        const size_t n = strlen(*keys);
        /* A whole part must match: "eval" covers "eval" and "eval.seed", not "evaluate". */
        if (strncmp(key, *keys, n) == 0 && (key[n] == '\0' || key[n] == '.')) {
            return true;
        }
    }
    return false;
}

/* Child `i` of a slot that has no value, and its part of the key. */
static struct cfg_slot child_of(struct cfg_key *k, const struct cfg_slot *slot, int i)
{
    const bool row = slot->type == CFG_TYPE_TABLE;
    const struct cfg_field *f = row ? &slot->table[i] : slot->field;
    struct cfg_slot child = {.field = f,
                             .type = row ? f->type : f->item_type,
                             .table = f->table,
                             .src_loc = &slot->src_loc->children[i]};
    if (slot->type == CFG_TYPE_ONE_OF) {
        child.type = CFG_TYPE_TABLE;
        child.table = f->kinds[i]->table;
        (void)cfg_key_push(k, f->kinds[i]->name);
    } else if (row && f->type != CFG_TYPE_ONE_OF) { /* which is no part of the key */
        (void)cfg_key_push(k, f->name);
    } else if (!row) {
        (void)cfg_key_push_index(k, i);
    }
    return child;
}

static bool is_unused(const struct cfg_key *k, const struct cfg_src_loc *src_loc,
                      const char *const *keys)
{
    return src_loc->mark.origin != NULL && src_loc->mark.origin->is_set && !is_covered(k->s, keys);
}

/* Depth first. A location without children is a value, or an empty list. To choose a kind is a
 * value, too, whatever its parameters. */
static bool find_unused(struct cfg_key *k, const struct cfg_slot *slot, const char *const *keys)
{
    const struct cfg_src_loc *src_loc = slot->src_loc;
    if (src_loc->n_children == 0) {
        return is_unused(k, src_loc, keys);
    }
    for (int i = 0; i < src_loc->n_children; i++) {
        const size_t before = k->len;
        const struct cfg_slot child = child_of(k, slot, i);
        /* After `true` the key stays pushed: it is the answer. */
        const bool is_kind = slot->type == CFG_TYPE_ONE_OF;
        if (find_unused(k, &child, keys) || (is_kind && is_unused(k, child.src_loc, keys))) {
            return true;
        }
        cfg_key_pop(k, before);
    }
    return false;
}

bool cfg_find_unused_set(const struct cfg *c, char key[CFG_KEY_MAX], const char *const *keys)
{
    struct cfg_key k = {.len = 0};
    const struct cfg_slot root = {.type = CFG_TYPE_TABLE, .table = c->root, .src_loc = c->src_locs};
    if (c->src_locs == NULL || !find_unused(&k, &root, keys)) {
        return false;
    }
    memcpy(key, k.s, sizeof k.s);
    return true;
}
