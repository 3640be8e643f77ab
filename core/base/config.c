/* Tree + table -> struct.
 *
 * Sources are applied one after the other onto one struct: defaults, each file after the files it
 * includes, each --set. A tree of places with the shape of the tables is filled alongside: one
 * place per row, one per list element, so that a later check can name the line of any value.
 *
 * Errors are reported and counted while reading goes on, so that one run shows all of them; only a
 * lack of memory, or syntax that leaves no tree, ends a source early.
 */
#include "core/base/config_parts.h"
#include "core/base/log.h"
#include "core/base/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cfg_origin DEFAULTS = {.label = "default", .dir = ""};

/* Where one value was given. Invariant: a table's place has one child per row, a list's place one
 * per element; a value's place has none. */
struct cfg_place {
    struct cfg_mark mark; /* origin NULL: not given, the default holds */
    struct cfg_place *children;
    int n_children;
};

/* A file that is being read, and the one that includes it. */
struct open_file {
    const struct open_file *includer; /* NULL: named by the user */
    const char *path;
    dev_t device; /* with inode: the same file under any name */
    ino_t inode;
};

/* The dotted key of the value in hand. */
struct key {
    char s[CFG_KEY_MAX];
    size_t len;
};

/* One value inside the struct: what the table says of it, where it is, where it was given. */
struct slot {
    const struct cfg_field *field; /* NULL: the root */
    enum cfg_type type;            /* the field's type, or its item_type for a list element */
    const struct cfg_field *table; /* rows, if type is CFG_TYPE_TABLE */
    void *at;
    struct cfg_place *place;
};

struct load {
    struct cfg *c;
    struct arena scratch; /* texts and trees, until the load ends */
    struct slot root;
    struct key key;
    const struct cfg_origin *origin; /* of the source being applied; NULL: defaults */
    struct cfg_mark start;           /* of the first source, for keys that are missing everywhere */
    bool incomplete;                 /* a source could not be read: other keys may be there */
};

static size_t key_push(struct key *k, const char *part)
{
    size_t before = k->len;
    int n = snprintf(k->s + k->len, sizeof k->s - k->len, "%s%s", k->len > 0 ? "." : "", part);
    k->len += n > 0 ? (size_t)n : 0;
    if (k->len >= sizeof k->s) {
        k->len = sizeof k->s - 1;
    }
    return before;
}

static size_t key_push_index(struct key *k, int i)
{
    char part[16];
    (void)snprintf(part, sizeof part, "%d", i);
    return key_push(k, part);
}

static void key_pop(struct key *k, size_t before)
{
    k->len = before;
    k->s[before] = '\0';
}

static bool gave_up(const struct load *l)
{
    return l->c->n_errors >= CFG_ERRORS_MAX;
}

static int count_rows(const struct cfg_field *table)
{
    int n = 0;
    while (table[n].name != NULL) {
        n++;
    }
    return n;
}

/* Index of the row of that name, or -1. */
static int find_row(const struct cfg_field *table, const char *name)
{
    for (int i = 0; table[i].name != NULL; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static struct slot row_slot(const struct slot *parent, int row)
{
    const struct cfg_field *f = &parent->table[row];
    return (struct slot){.field = f,
                         .type = f->type,
                         .table = f->table,
                         .at = (char *)parent->at + f->offset,
                         .place = &parent->place->children[row]};
}

static int *list_count(const struct slot *list)
{
    return (int *)(void *)((char *)list->at - list->field->offset + list->field->count_offset);
}

static void *list_items(const struct slot *list)
{
    void *items = NULL;
    memcpy(&items, list->at, sizeof items);
    return items;
}

static struct slot item_slot(const struct slot *list, void *items, int i)
{
    const struct cfg_field *f = list->field;
    return (struct slot){.field = f,
                         .type = f->item_type,
                         .table = f->table,
                         .at = (char *)items + (size_t)i * f->item_size,
                         .place = &list->place->children[i]};
}

static enum err place_children(struct load *l, struct cfg_place *place, int n)
{
    struct cfg_place *children = ARENA_NEW(l->c->arena, n, struct cfg_place);
    if (children == NULL) {
        return ERR_MEMORY;
    }
    place->children = children;
    place->n_children = n;
    return ERR_OK;
}

/* Unknown keys ------------------------------------------------------------------------------- */

/* Find a row called `name` anywhere below `table`; its dotted key goes to `k`. */
static bool find_elsewhere(struct key *k, const struct cfg_field *table, const char *name,
                           int depth)
{
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        size_t before = key_push(k, f->name);
        if (strcmp(f->name, name) == 0 || (f->type == CFG_TYPE_TABLE && depth < CFG_DEPTH_MAX &&
                                           find_elsewhere(k, f->table, name, depth + 1))) {
            return true;
        }
        key_pop(k, before);
    }
    return false;
}

static void report_unknown_key(struct load *l, const struct cfg_field *table, const char *name,
                               struct cfg_mark mark)
{
    struct cfg_text hint = {.len = 0};
    struct key elsewhere = {.len = 0};
    struct nearest near = nearest_to(name);
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        nearest_offer(&near, f->name);
    }
    if (nearest_word(&near) != NULL) {
        cfg_text_add(&hint, "did you mean '%s'?", nearest_word(&near));
    } else if (find_elsewhere(&elsewhere, l->c->root, name, 0)) {
        cfg_text_add(&hint, "that key is written %s", elsewhere.s);
    } else {
        cfg_text_add(&hint, "known here:");
        for (const struct cfg_field *f = table; f->name != NULL; f++) {
            cfg_text_add(&hint, "%s %s", f == table ? "" : ",", f->name);
        }
    }
    struct cfg_text found = {.len = 0};
    cfg_text_add_excerpt(&found, name);
    cfg_report(&l->c->n_errors, mark, l->key.s, "unknown key '%s'; %s", found.s, hint.s);
}

/* Values ------------------------------------------------------------------------------------- */

static enum err fill_defaults(struct load *l, const struct slot *table);
static enum err read_slot(struct load *l, const struct slot *slot, const struct cfg_node *node);

static void report_kind(struct load *l, const struct slot *slot, const struct cfg_node *node,
                        const char *remedy)
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

/* The file beside the source if there is one, else the name as it is. */
static const char *resolve_path(struct load *l, const char *path)
{
    const char *dir = l->origin != NULL ? l->origin->dir : "";
    if (*path == '\0' || *path == '/' || *dir == '\0') {
        return arena_strdup(l->c->arena, path);
    }
    char *beside = arena_printf(l->c->arena, "%s%s", dir, path);
    if (beside == NULL || access(beside, F_OK) == 0) {
        return beside;
    }
    return arena_strdup(l->c->arena, path);
}

static enum err read_string(struct load *l, const struct slot *slot, const struct cfg_node *node)
{
    if (node->kind != CFG_NODE_SCALAR) {
        report_kind(l, slot, node, "write one value");
        return ERR_OK;
    }
    if (cfg_node_is_null(node)) {
        report_kind(l, slot, node, "write \"\" for an empty one");
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

static enum err read_scalar(struct load *l, const struct slot *slot, const struct cfg_node *node)
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
static enum err read_entry(struct load *l, const struct slot *map, const struct cfg_node *entry)
{
    int row = find_row(map->table, entry->key);
    if (row < 0) {
        report_unknown_key(l, map->table, entry->key, entry->key_mark);
        return ERR_OK;
    }
    struct slot slot = row_slot(map, row);
    size_t before = key_push(&l->key, slot.field->name);
    enum err e = ERR_OK;
    if (l->origin != NULL && slot.place->mark.origin == l->origin) {
        cfg_report(&l->c->n_errors, entry->key_mark, l->key.s,
                   "given twice, first in line %d; remove one of the two", slot.place->mark.line);
    } else {
        e = read_slot(l, &slot, entry);
        slot.place->mark = entry->mark;
    }
    key_pop(&l->key, before);
    return e;
}

static enum err read_table(struct load *l, const struct slot *slot, const struct cfg_node *node)
{
    if (cfg_node_is_null(node)) {
        return ERR_OK; /* a heading whose keys are all commented out */
    }
    if (node->kind != CFG_NODE_MAP) {
        report_kind(l, slot, node, "write its keys below it, indented, as key: value");
        return ERR_OK;
    }
    for (const struct cfg_node *n = node->first; n != NULL && !gave_up(l); n = n->next) {
        bool is_include = slot->field == NULL && strcmp(n->key, "include") == 0;
        if (!is_include) {
            TRY(read_entry(l, slot, n));
        }
    }
    return ERR_OK;
}

static enum err read_item(struct load *l, const struct slot *item, const struct cfg_node *node)
{
    static const char *const EMPTY = "";
    item->place->mark = node->mark;
    if (item->type == CFG_TYPE_TABLE) {
        TRY(fill_defaults(l, item));
    } else if (item->type == CFG_TYPE_STRING || item->type == CFG_TYPE_PATH) {
        memcpy(item->at, &EMPTY, sizeof EMPTY);
    }
    return read_slot(l, item, node);
}

/* Elements replace those that stood there. */
static enum err read_items(struct load *l, const struct slot *list, const struct cfg_node *node)
{
    TRY(place_children(l, list->place, node->n));
    void *items = arena_alloc(l->c->arena, (size_t)node->n, list->field->item_size);
    if (items == NULL) {
        return ERR_MEMORY;
    }
    int i = 0;
    for (const struct cfg_node *n = node->first; n != NULL && !gave_up(l); n = n->next, i++) {
        struct slot item = item_slot(list, items, i);
        size_t before = key_push_index(&l->key, i);
        TRY(read_item(l, &item, n));
        key_pop(&l->key, before);
    }
    memcpy(list->at, &items, sizeof items);
    *list_count(list) = node->n;
    return ERR_OK;
}

static enum err read_list(struct load *l, const struct slot *slot, const struct cfg_node *node)
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

static enum err read_slot(struct load *l, const struct slot *slot, const struct cfg_node *node)
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

static enum err default_list(struct load *l, const struct slot *slot)
{
    struct cfg_node *node = NULL;
    const char *text = slot->field->def;
    enum err e = cfg_yaml_parse(&node, &l->c->n_errors, &l->scratch, &DEFAULTS, text, strlen(text));
    if (e == ERR_MEMORY) {
        return e;
    }
    return e == ERR_OK && node != NULL ? read_slot(l, slot, node) : ERR_OK;
}

static enum err default_value(struct load *l, const struct slot *slot)
{
    const struct cfg_field *f = slot->field;
    if (slot->type == CFG_TYPE_STRING || slot->type == CFG_TYPE_PATH) {
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
    struct cfg_node node = {.kind = CFG_NODE_SCALAR, .text = f->def, .mark = {.origin = &DEFAULTS}};
    return read_scalar(l, slot, &node);
}

static enum err fill_defaults(struct load *l, const struct slot *table)
{
    const struct cfg_origin *outer = l->origin;
    l->origin = NULL;
    TRY(place_children(l, table->place, count_rows(table->table)));
    for (int i = 0; i < table->place->n_children; i++) {
        struct slot slot = row_slot(table, i);
        size_t before = key_push(&l->key, slot.field->name);
        if (slot.type == CFG_TYPE_TABLE) {
            TRY(fill_defaults(l, &slot));
        } else {
            TRY(default_value(l, &slot));
        }
        key_pop(&l->key, before);
    }
    l->origin = outer;
    return ERR_OK;
}

static void report_missing(struct load *l, const struct slot *slot, struct cfg_mark mark)
{
    struct cfg_text allowed = {.len = 0};
    cfg_text_add_allowed(&allowed, slot->field, slot->type);
    cfg_report(&l->c->n_errors, mark, l->key.s, "missing; add '%s: ...' (%s), %s",
               slot->field->name, slot->field->doc, allowed.s);
}

/* Report rows without default that no source gave. `mark`: nearest place that was given. */
static void check_missing(struct load *l, const struct slot *slot, struct cfg_mark mark)
{
    if (slot->place->mark.origin != NULL) {
        mark = slot->place->mark;
    }
    bool nested = slot->type == CFG_TYPE_TABLE;
    bool of_tables = slot->type == CFG_TYPE_LIST && slot->field->item_type == CFG_TYPE_TABLE;
    if (!nested && slot->field->def == CFG_REQUIRED && slot->place->mark.origin == NULL) {
        report_missing(l, slot, mark);
    }
    for (int i = 0; (nested || of_tables) && i < slot->place->n_children && !gave_up(l); i++) {
        struct slot child = nested ? row_slot(slot, i) : item_slot(slot, list_items(slot), i);
        size_t before = nested ? key_push(&l->key, child.field->name) : key_push_index(&l->key, i);
        check_missing(l, &child, mark);
        key_pop(&l->key, before);
    }
}

/* Files -------------------------------------------------------------------------------------- */

/* "dir/" of "dir/name", "" of "name". */
static const char *directory_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return "";
    }
    return arena_printf(a, "%.*s", (int)(slash - path + 1), path);
}

static struct cfg_origin *new_origin(struct load *l, const char *label, const char *dir,
                                     bool has_lines)
{
    struct cfg_origin *o = ARENA_NEW(l->c->arena, 1, struct cfg_origin);
    char *kept = arena_strdup(l->c->arena, label);
    if (o == NULL || kept == NULL || dir == NULL) {
        return NULL;
    }
    *o = (struct cfg_origin){.label = kept, .dir = dir, .has_lines = has_lines};
    return o;
}

/* Everything the descriptor gives, up to one byte more than allowed. */
static enum err read_all(struct buf *b, int fd)
{
    unsigned char block[16 * 1024];
    while (b->len <= CFG_FILE_MAX) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return ERR_IO;
        }
        if (n == 0) {
            return ERR_OK;
        }
        TRY(buf_append(b, block, (size_t)n));
    }
    return ERR_OK;
}

static void report_unreadable(struct load *l, const char *path, struct cfg_mark from)
{
    const char *why = strerror(errno);
    l->incomplete = true;
    if (from.origin != NULL) {
        cfg_report(&l->c->n_errors, from, "include",
                   "'%s' cannot be read (%s); paths are relative to the file that includes them",
                   path, why);
    } else {
        struct cfg_origin o = {.label = path};
        cfg_report(&l->c->n_errors, (struct cfg_mark){.origin = &o}, "",
                   "cannot be read (%s); check the name of the configuration file", why);
    }
}

/* Whether `file` is being read already, further out; reports the chain. */
static bool is_cycle(struct load *l, const struct open_file *file, struct cfg_mark from)
{
    struct cfg_text chain = {.len = 0};
    cfg_text_add(&chain, "%s", file->path);
    for (const struct open_file *f = file->includer; f != NULL; f = f->includer) {
        cfg_text_add(&chain, " is included by %s", f->path);
        if (f->device == file->device && f->inode == file->inode) {
            cfg_report(&l->c->n_errors, from, "include",
                       "files include each other (%s); remove one of the includes", chain.s);
            return true;
        }
    }
    return false;
}

static enum err apply_text(struct load *l, const struct open_file *file, const char *text,
                           size_t len);

static enum err apply_opened(struct load *l, struct open_file *file, int fd, struct cfg_mark from)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        report_unreadable(l, file->path, from);
        return ERR_OK;
    }
    file->device = st.st_dev;
    file->inode = st.st_ino;
    if (is_cycle(l, file, from)) {
        return ERR_OK;
    }
    struct buf b;
    buf_init(&b);
    enum err e = read_all(&b, fd);
    if (e == ERR_IO) {
        report_unreadable(l, file->path, from);
        e = ERR_OK;
    } else if (e == ERR_OK && b.len > CFG_FILE_MAX) {
        struct cfg_origin o = {.label = file->path};
        cfg_report(&l->c->n_errors, (struct cfg_mark){.origin = &o}, "",
                   "larger than %d MiB, which no configuration is; check the file name",
                   CFG_FILE_MAX / (1024 * 1024));
    } else if (e == ERR_OK) {
        e = apply_text(l, file, (const char *)b.data, b.len);
    }
    buf_release(&b);
    return e;
}

/* `from`: the line that includes it; origin NULL if the user named it. */
static enum err apply_file(struct load *l, const char *path, const struct open_file *includer,
                           struct cfg_mark from)
{
    struct open_file file = {.includer = includer, .path = path};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        report_unreadable(l, path, from);
        return ERR_OK;
    }
    enum err e = apply_opened(l, &file, fd, from);
    (void)close(fd);
    return e;
}

static enum err apply_include(struct load *l, const struct cfg_origin *origin,
                              const struct open_file *file, const struct cfg_node *node)
{
    if (node->kind == CFG_NODE_BAD) {
        return ERR_OK;
    }
    if (node->kind != CFG_NODE_SCALAR || cfg_node_is_null(node)) {
        cfg_report(&l->c->n_errors, node->mark, "include",
                   "allowed is a list of paths; write include: [path, path]");
        return ERR_OK;
    }
    const char *path = node->text;
    if (*path != '/' && *origin->dir != '\0') {
        path = arena_printf(&l->scratch, "%s%s", origin->dir, path);
        if (path == NULL) {
            return ERR_MEMORY;
        }
    }
    return apply_file(l, path, file, node->mark);
}

/* Files named under the key `include`, wherever in the root map it stands. */
static enum err apply_includes(struct load *l, const struct cfg_origin *origin,
                               const struct open_file *file, const struct cfg_node *root)
{
    const struct cfg_node *seen = NULL;
    for (const struct cfg_node *n = root->first; n != NULL && !gave_up(l); n = n->next) {
        if (strcmp(n->key, "include") != 0) {
            continue;
        }
        if (seen != NULL) {
            cfg_report(&l->c->n_errors, n->key_mark, "include",
                       "given twice, first in line %d; write one list", seen->key_mark.line);
            continue;
        }
        seen = n;
        if (n->kind != CFG_NODE_LIST) {
            TRY(apply_include(l, origin, file, n));
        }
        for (const struct cfg_node *path = n->first; path != NULL && n->kind == CFG_NODE_LIST;
             path = path->next) {
            TRY(apply_include(l, origin, file, path));
        }
    }
    return ERR_OK;
}

/* A file or named text, after the files it includes. */
static enum err apply_text(struct load *l, const struct open_file *file, const char *text,
                           size_t len)
{
    struct cfg_node *root = NULL;
    const struct cfg_origin *origin =
        new_origin(l, file->path, directory_of(l->c->arena, file->path), true);
    if (origin == NULL) {
        return ERR_MEMORY;
    }
    if (l->start.origin == NULL) {
        l->start = (struct cfg_mark){.origin = origin};
    }
    enum err e = cfg_yaml_parse(&root, &l->c->n_errors, &l->scratch, origin, text, len);
    if (e == ERR_CONFIG) {
        l->incomplete = true;
        return ERR_OK;
    }
    if (e != ERR_OK || root == NULL) {
        return e;
    }
    if (root->kind == CFG_NODE_MAP) {
        TRY(apply_includes(l, origin, file, root));
    }
    l->origin = origin;
    TRY(read_slot(l, &l->root, root));
    l->origin = NULL;
    return ERR_OK;
}

/* Overrides ---------------------------------------------------------------------------------- */

/* "12" -> 12; -1 if it is no index. */
static int parse_index(const char *part)
{
    int i = 0;
    size_t n = strlen(part);
    if (n == 0 || n > 8 || strspn(part, "0123456789") != n) {
        return -1;
    }
    for (; *part != '\0'; part++) {
        i = i * 10 + (*part - '0');
    }
    return i;
}

/* Which child of the slot's place `part` names, or -1. */
static int child_index(const struct slot *slot, const char *part)
{
    if (slot->type == CFG_TYPE_TABLE) {
        return find_row(slot->table, part);
    }
    int i = slot->type == CFG_TYPE_LIST ? parse_index(part) : -1;
    return i < slot->place->n_children ? i : -1;
}

static void report_no_child(struct load *l, const struct slot *slot, const char *part,
                            struct cfg_mark mark)
{
    if (slot->type == CFG_TYPE_TABLE) {
        report_unknown_key(l, slot->table, part, mark);
    } else if (slot->type == CFG_TYPE_LIST) {
        cfg_report(&l->c->n_errors, mark, l->key.s,
                   "no element '%.60s'; the list has %d, counted from 0", part,
                   slot->place->n_children);
    } else {
        cfg_report(&l->c->n_errors, mark, l->key.s,
                   "a single value, it has no part '%.60s'; shorten the key", part);
    }
}

/* Walk `key` (cut up in place) from the root, and read `node` there. */
static enum err set_value(struct load *l, char *key, const struct cfg_node *node)
{
    struct slot slot = l->root;
    char *rest = key;
    for (char *part = strsep(&rest, "."); part != NULL; part = strsep(&rest, ".")) {
        int i = child_index(&slot, part);
        if (i < 0) {
            report_no_child(l, &slot, part, node->mark);
            return ERR_OK;
        }
        slot = slot.type == CFG_TYPE_TABLE ? row_slot(&slot, i)
                                           : item_slot(&slot, list_items(&slot), i);
        (void)key_push(&l->key, part);
    }
    enum err e = read_slot(l, &slot, node);
    slot.place->mark = node->mark;
    return e;
}

/* "a.b=c" */
static enum err apply_set(struct load *l, const char *set)
{
    struct cfg_node *node = NULL;
    struct cfg_node nothing = {.kind = CFG_NODE_SCALAR, .text = ""};
    const char *label = arena_printf(&l->scratch, "--set %s", set);
    char *key = arena_strdup(&l->scratch, set);
    if (label == NULL || key == NULL) {
        return ERR_MEMORY;
    }
    const struct cfg_origin *origin = new_origin(l, label, "", false);
    if (origin == NULL) {
        return ERR_MEMORY;
    }
    char *equals = strchr(key, '=');
    if (equals == NULL || equals == key) {
        cfg_report(&l->c->n_errors, (struct cfg_mark){.origin = origin}, "",
                   "not of the form KEY=VALUE; write for example --set seeds=[1,2,3]");
        return ERR_OK;
    }
    *equals = '\0';
    enum err e =
        cfg_yaml_parse(&node, &l->c->n_errors, &l->scratch, origin, equals + 1, strlen(equals + 1));
    if (e != ERR_OK) {
        return e == ERR_CONFIG ? ERR_OK : e;
    }
    nothing.mark.origin = origin;
    l->origin = origin;
    TRY(set_value(l, key, node != NULL ? node : &nothing));
    l->origin = NULL;
    key_pop(&l->key, 0);
    return ERR_OK;
}

/* The whole ---------------------------------------------------------------------------------- */

static enum err apply_source(struct load *l, const struct cfg_source *source)
{
    if (source->text == NULL) {
        return apply_file(l, source->path, NULL, (struct cfg_mark){.origin = NULL});
    }
    struct open_file named = {.path = source->path};
    return apply_text(l, &named, source->text, strlen(source->text));
}

static enum err apply_all(struct load *l, const struct cfg_source *sources, int n_sources,
                          const char *const *sets, int n_sets)
{
    struct cfg_place *place = ARENA_NEW(l->c->arena, 1, struct cfg_place);
    void *values = arena_alloc(&l->scratch, 1, l->c->root_size);
    if (place == NULL || values == NULL) {
        return ERR_MEMORY;
    }
    l->root =
        (struct slot){.type = CFG_TYPE_TABLE, .table = l->c->root, .at = values, .place = place};
    TRY(fill_defaults(l, &l->root));
    for (int i = 0; i < n_sources && !gave_up(l); i++) {
        TRY(apply_source(l, &sources[i]));
    }
    for (int i = 0; i < n_sets && !gave_up(l); i++) {
        TRY(apply_set(l, sets[i]));
    }
    if (!l->incomplete) {
        check_missing(l, &l->root, l->start);
    }
    return l->c->n_errors > 0 ? ERR_CONFIG : ERR_OK;
}

void cfg_init(struct cfg *c, const struct cfg_field *root, size_t root_size, struct arena *arena)
{
    *c = (struct cfg){.root = root, .root_size = root_size, .arena = arena};
}

enum err cfg_load_sources(struct cfg *c, const struct cfg_source *sources, int n_sources,
                          const char *const *sets, int n_sets, void *out)
{
    struct load l = {.c = c};
    struct arena_mark before = arena_mark(c->arena);
    arena_init(&l.scratch);
    c->n_errors = 0;
    enum err e = apply_all(&l, sources, n_sources, sets, n_sets);
    if (e == ERR_OK) {
        memcpy(out, l.root.at, c->root_size);
        c->places = l.root.place;
    } else {
        arena_rewind(c->arena, before);
    }
    arena_release(&l.scratch);
    return e;
}

enum err cfg_load(struct cfg *c, const char *path, const char *const *sets, int n_sets, void *out)
{
    struct cfg_source file = {.path = path};
    return cfg_load_sources(c, &file, path != NULL ? 1 : 0, sets, n_sets, out);
}

enum err cfg_load_text(struct cfg *c, const char *name, const char *text, const char *const *sets,
                       int n_sets, void *out)
{
    struct cfg_source source = {.path = name, .text = text};
    return cfg_load_sources(c, &source, 1, sets, n_sets, out);
}

/* Places ------------------------------------------------------------------------------------- */

/* The part of `key` up to the next dot into `part`; what follows it, or NULL at the end. */
static const char *next_part(char part[CFG_KEY_MAX], const char *key)
{
    size_t n = strcspn(key, ".");
    (void)snprintf(part, CFG_KEY_MAX, "%.*s", (int)n, key);
    return key[n] == '.' ? key + n + 1 : NULL;
}

/* Place of the value; if it was not given, the nearest one around it and *given false. */
static struct cfg_mark find_mark(const struct cfg *c, const char *key, bool *given)
{
    char part[CFG_KEY_MAX];
    struct cfg_mark mark = {.origin = NULL};
    struct slot slot = {.type = CFG_TYPE_TABLE, .table = c->root, .place = c->places};
    *given = false;
    for (const char *rest = key; rest != NULL && slot.place != NULL;) {
        rest = next_part(part, rest);
        int i = child_index(&slot, part);
        if (i < 0) {
            *given = false;
            return mark;
        }
        bool row = slot.type == CFG_TYPE_TABLE;
        const struct cfg_field *f = row ? &slot.table[i] : slot.field;
        slot = (struct slot){.field = f,
                             .type = row ? f->type : f->item_type,
                             .table = f->table,
                             .place = &slot.place->children[i]};
        *given = slot.place->mark.origin != NULL;
        mark = *given ? slot.place->mark : mark;
    }
    return mark;
}

static void describe_place(struct cfg_text *t, const struct cfg *c, const char *key)
{
    bool given = false;
    struct cfg_mark mark = find_mark(c, key, &given);
    cfg_text_add_mark(t, mark);
    if (!given && mark.origin != NULL && mark.origin != &DEFAULTS) {
        cfg_text_add(t, " (by default)");
    }
}

const char *cfg_where(const struct cfg *c, const char *key)
{
    struct cfg_text t = {.len = 0};
    describe_place(&t, c, key);
    const char *kept = arena_strdup(c->arena, t.s);
    return kept != NULL ? kept : "(place unknown: out of memory)";
}

enum err cfg_error(const struct cfg *c, const char *key, const char *fmt, ...)
{
    struct cfg_text place = {.len = 0};
    char sentence[1500];
    va_list ap;
    describe_place(&place, c, key);
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    log_error("%s: %s: %s", place.s, key, sentence);
    return ERR_CONFIG;
}
