/* The values in which two structs of one table differ, as lines "key: a -> b". Rows that decide no
 * result are passed over. */
#include "core/base/config_parts.h"

#include <string.h>

struct diff {
    struct buf *out;
    struct buf a, b; /* texts of the values in hand */
    int n;
};

static enum err diff_table(struct diff *d, const struct cfg_field *table, const char *key,
                           const void *a, const void *b);

static enum err diff_value(struct diff *d, const struct cfg_field *f, const char *key,
                           const void *a, const void *b)
{
    /* Values are compared as they print. Two values with one text load back to the same value, so
     * nothing that differs is missed. */
    d->a.len = 0;
    d->b.len = 0;
    TRY(cfg_print_row(&d->a, f, a));
    TRY(cfg_print_row(&d->b, f, b));
    if (d->a.len == d->b.len && memcmp(d->a.data, d->b.data, d->a.len) == 0) {
        return ERR_OK;
    }
    d->n++;
    return buf_printf(d->out, "%s: %.*s -> %.*s\n", key, (int)d->a.len, (const char *)d->a.data,
                      (int)d->b.len, (const char *)d->b.data);
}

static enum err diff_structs(struct diff *d, const struct cfg_field *f, const char *key,
                             const void *a, const void *b)
{
    int n_a = 0;
    int n_b = 0;
    const char *items_a = cfg_list_items(&n_a, f, a);
    const char *items_b = cfg_list_items(&n_b, f, b);
    /* A different length is told once, and the elements that both have are compared in their
     * order. */
    if (n_a != n_b) {
        d->n++;
        TRY(buf_printf(d->out, "%s: %d elements -> %d elements\n", key, n_a, n_b));
    }
    for (int i = 0; i < n_a && i < n_b; i++) {
        struct cfg_text item_key = {.len = 0};
        cfg_text_add(&item_key, "%s.%d", key, i);
        size_t at = (size_t)i * f->item_size;
        TRY(diff_table(d, f->table, item_key.s, items_a + at, items_b + at));
    }
    return ERR_OK;
}

/* Another kind, or other parameters of the same. */
static enum err diff_one(struct diff *d, const struct cfg_field *f, const char *key, const void *a,
                         const void *b)
{
    struct cfg_one one_a, one_b;
    memcpy(&one_a, (const char *)a + f->offset, sizeof one_a);
    memcpy(&one_b, (const char *)b + f->offset, sizeof one_b);
    if (one_a.kind != one_b.kind) {
        d->n++;
        return buf_printf(d->out, "%s: %s -> %s\n", key,
                          one_a.kind != NULL ? one_a.kind->name : "none",
                          one_b.kind != NULL ? one_b.kind->name : "none");
    }
    if (one_a.kind == NULL) {
        return ERR_OK;
    }
    struct cfg_text below = {.len = 0};
    cfg_text_add(&below, "%s%s%s", key, *key != '\0' ? "." : "", one_a.kind->name);
    return diff_table(d, one_a.kind->table, below.s, one_a.params, one_b.params);
}

static enum err diff_table(struct diff *d, const struct cfg_field *table, const char *key,
                           const void *a, const void *b)
{
    for (const struct cfg_field *f = table; f->name != NULL; f++) {
        struct cfg_text row_key = {.len = 0};
        if (!cfg_has_effect(f, CFG_RESULT)) {
            continue;
        }
        cfg_text_add(&row_key, "%s%s%s", key, *key != '\0' ? "." : "", f->name);
        if (f->type == CFG_TYPE_ONE_OF) {
            TRY(diff_one(d, f, key, a, b));
        } else if (f->type == CFG_TYPE_TABLE) {
            TRY(diff_table(d, f->table, row_key.s, (const char *)a + f->offset,
                           (const char *)b + f->offset));
        } else if (cfg_is_struct_list(f)) {
            TRY(diff_structs(d, f, row_key.s, a, b));
        } else {
            TRY(diff_value(d, f, row_key.s, a, b));
        }
    }
    return ERR_OK;
}

enum err cfg_diff(struct buf *b, int *n_differ, const struct cfg_field *root, const void *values_a,
                  const void *values_b)
{
    struct diff d = {.out = b};
    buf_init(&d.a);
    buf_init(&d.b);
    enum err e = diff_table(&d, root, "", values_a, values_b);
    buf_release(&d.a);
    buf_release(&d.b);
    if (e == ERR_OK) {
        *n_differ = d.n;
    }
    return e;
}
