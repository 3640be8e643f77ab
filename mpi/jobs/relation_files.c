/* Rows of all pairs for a program, those that were found for a reader. See relation_files.h. */
#include "mpi/jobs/relation_files.h"

#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/report/table.h"

#include <math.h>
#include <stdio.h>

static const char *const window_names[RELATION_WINDOWS + 1] = {"all", "first third", "second third",
                                                               "last third"};

/* The kinds of relations; those without a direction have one row for each pair. */
enum { KINDS = 4 };
struct kind {
    const char *name, *unit;
    const struct relation *of;
    bool directed;
};

static void kinds_of(struct kind out[KINDS], const struct relations *r)
{
    out[0] = (struct kind){"authority", "share", r->authority, true};
    out[1] = (struct kind){"communication", "bits", r->communication, false};
    out[2] = (struct kind){"acquaintance", "share", r->acquaintance, false};
    out[3] = (struct kind){"transfer", "bits", r->transfer, true};
}

/* ---- CSV ---- */

static enum err csv_window(struct csv *csv, const struct relation_files *f, int window)
{
    const struct relations *r = &f->windows[window];
    struct kind kinds[KINDS];
    kinds_of(kinds, r);
    for (int k = 0; k < KINDS; k++) {
        for (int i = 0; i < r->n_agents; i++) {
            for (int j = kinds[k].directed ? 0 : i + 1; j < r->n_agents; j++) {
                if (i == j) {
                    continue;
                }
                const struct relation *x = relation_at(r, kinds[k].of, i, j);
                csv_text(csv, window_names[window]);
                csv_text(csv, kinds[k].name);
                csv_text(csv, f->set->agents[i]);
                csv_text(csv, f->set->agents[j]);
                csv_num(csv, x->strength);
                csv_num(csv, x->lo);
                csv_num(csv, x->hi);
                csv_text(csv, kinds[k].unit);
                csv_num(csv, x->bias);
                csv_num(csv, x->p);
                csv_num(csv, x->q);
                csv_int(csv, x->found);
                TRY(csv_end_row(csv));
            }
        }
    }
    return ERR_OK;
}

static enum err write_csv(const struct relation_files *f, struct arena *scratch)
{
    static const char *const columns[] = {"window", "relation", "from", "to", "strength", "lo",
                                          "hi",     "unit",     "bias", "p",  "q",        "found"};
    const char *path = file_join(scratch, f->dir, "relations.csv");
    struct csv csv;
    TRY(arena_error(scratch));
    TRY(csv_create(&csv, scratch, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int k = 0; e == ERR_OK && k <= RELATION_WINDOWS; k++) {
        e = csv_window(&csv, f, k);
    }
    csv_close(&csv);
    return e;
}

static enum err write_conflicts(const struct relation_files *f, struct arena *scratch)
{
    static const char *const columns[] = {"agent", "against", "conflicts", "prevails"};
    const char *path = file_join(scratch, f->dir, "conflicts.csv");
    const struct conflicts *c = &f->conflicts;
    struct csv csv;
    TRY(arena_error(scratch));
    TRY(csv_create(&csv, scratch, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < c->n_agents * c->n_agents; i++) {
        if (i / c->n_agents != i % c->n_agents) {
            csv_text(&csv, f->set->agents[i / c->n_agents]);
            csv_text(&csv, f->set->agents[i % c->n_agents]);
            csv_int(&csv, c->n[i]);
            csv_int(&csv, c->prevails[i]);
            e = csv_end_row(&csv);
        }
    }
    csv_close(&csv);
    return e;
}

/* Which values an agent reacts to: those that acquaintance rests on. */
static enum err write_reactions(const struct relation_files *f, struct arena *scratch)
{
    static const char *const columns[] = {"agent", "value", "q", "found"};
    const char *path = file_join(scratch, f->dir, "reactions.csv");
    const struct relations *r = &f->windows[0];
    struct csv csv;
    TRY(arena_error(scratch));
    TRY(csv_create(&csv, scratch, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < r->n_agents * r->n_values; i++) {
        csv_text(&csv, f->set->agents[i / r->n_values]);
        csv_text(&csv, f->values[i % r->n_values]);
        csv_num(&csv, r->reaction_q[i]);
        csv_int(&csv, r->reaction_q[i] <= f->level);
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    return e;
}

/* ---- tables ---- */

static void put_strength(struct table *t, const struct relation *x)
{
    const struct stat_interval v = {x->strength, x->lo, x->hi};
    table_interval(t, &v, 3);
}

static void table_window(struct table *t, const struct relation_files *f, int window)
{
    const struct relations *r = &f->windows[window];
    struct kind kinds[KINDS];
    kinds_of(kinds, r);
    for (int k = 0; k < KINDS; k++) {
        for (int i = 0; i < r->n_agents; i++) {
            for (int j = kinds[k].directed ? 0 : i + 1; j < r->n_agents; j++) {
                const struct relation *x = relation_at(r, kinds[k].of, i, j);
                if (i != j && x->found) {
                    table_text(t, window_names[window]);
                    table_text(t, kinds[k].name);
                    table_text(t, f->set->agents[i]);
                    table_text(t, f->set->agents[j]);
                    put_strength(t, x);
                    table_text(t, kinds[k].unit);
                    table_cell(t, "%.4f", x->q);
                }
            }
        }
    }
}

static enum err put_tables(struct buf *out, const struct relation_files *f, enum table_style style,
                           struct arena *scratch)
{
    static const char *const head[] = {"window", "relation", "from", "to", "strength", "unit", "q"};
    static const char *const fights[] = {"agent", "against", "conflicts", "prevails"};
    const struct conflicts *c = &f->conflicts;
    struct table t;
    table_init(&t, scratch, head, 7, 4);
    for (int k = 0; k <= RELATION_WINDOWS; k++) {
        table_window(&t, f, k);
    }
    TRY(buf_printf(out, "\nRelations of %s found at a false discovery rate of %g:%s\n\n",
                   f->set->controller, f->level,
                   f->replayed ? "" : " (authority is not known without --replay)"));
    if (t.n_cells == t.n_columns) {
        TRY(buf_printf(out, "none\n"));
    } else {
        TRY(table_print(out, &t, style));
    }
    int n = 0;
    table_init(&t, scratch, fights, 4, 2);
    for (int i = 0; i < c->n_agents * c->n_agents; i++) {
        if (c->n[i] > 0) {
            table_text(&t, f->set->agents[i / c->n_agents]);
            table_text(&t, f->set->agents[i % c->n_agents]);
            table_cell(&t, "%d", c->n[i]);
            table_cell(&t, "%d", c->prevails[i]);
            n++;
        }
    }
    TRY(buf_printf(out, "\nConflicts of %s:\n\n", f->set->controller));
    return n == 0 ? buf_printf(out, "none\n") : table_print(out, &t, style);
}

static enum err write_tables(const struct relation_files *f, const char *name,
                             enum table_style style, struct arena *scratch)
{
    const char *path = file_join(scratch, f->dir, name);
    struct buf b;
    TRY(arena_error(scratch));
    buf_init(&b);
    enum err e = put_tables(&b, f, style, scratch);
    if (e == ERR_OK && style == TABLE_TEXT) {
        fwrite(b.data, 1, b.len, stdout);
    }
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

static enum err write_graph(const struct relation_files *f, const char *name,
                            enum err (*put)(struct buf *, const struct relations *,
                                            const char *const *, const char *),
                            struct arena *scratch)
{
    const char *path = file_join(scratch, f->dir, name);
    const char *title =
        arena_printf(scratch, "Relations of %s, whole episodes", f->set->controller);
    struct buf b;
    TRY(arena_error(scratch));
    buf_init(&b);
    enum err e = put(&b, &f->windows[0], f->set->agents, title);
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

enum err relation_files_write(const struct relation_files *f, struct arena *scratch)
{
    TRY(write_csv(f, scratch));
    TRY(write_conflicts(f, scratch));
    TRY(write_reactions(f, scratch));
    TRY(write_tables(f, "relations.md", TABLE_MARKDOWN, scratch));
    TRY(write_tables(f, "relations.txt", TABLE_TEXT, scratch));
    TRY(write_graph(f, "relations.dot", relations_dot, scratch));
    return write_graph(f, "relations.svg", relations_svg, scratch);
}
