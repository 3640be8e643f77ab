/* One row for each team. See role_summary.h. */
#include "core/analysis/role_summary.h"

#include "core/base/csv.h"

#include <math.h>
#include <string.h>

static const char *const summary_columns[] = {
    "team",       "trajectories", "distinct",  "cophenetic",    "roles",    "clusters",
    "silhouette", "p_agents",     "p_time",    "p_attribution", "purity",   "ari",
    "nmi",        "clusters_at",  "purity_at", "ari_halves",    "ari_seeds"};
enum { SUMMARY_COLUMNS = sizeof summary_columns / sizeof *summary_columns };

/* What stands in the columns behind the name. */
static void summary_values(double v[SUMMARY_COLUMNS], const struct roles *r)
{
    const struct role_tree_quality *q = &r->quality[LINKAGE_AVERAGE];
    const double all[SUMMARY_COLUMNS] = {0.0,
                                         r->sequences->n,
                                         r->sequences->n_distinct,
                                         q->cophenetic,
                                         r->found ? r->k : 0,
                                         r->branches,
                                         r->branches > 1 ? q->silhouette[r->branches] : NAN,
                                         r->agents.p,
                                         r->time.p,
                                         r->attribution,
                                         r->with_roles.purity,
                                         r->with_roles.ari,
                                         r->with_roles.nmi,
                                         r->k_at,
                                         r->with_roles_at.purity,
                                         r->stable_halves,
                                         r->stable_seeds};
    memcpy(v, all, sizeof all);
}

static void put_number(struct table *t, int decimals, double v)
{
    if (isnan(v)) {
        table_text(t, "-");
    } else {
        table_cell(t, "%.*f", decimals, v);
    }
}

enum err role_summary_print(struct buf *out, const struct role_report *p, int n,
                            enum table_style style, struct arena *scratch)
{
    static const char *const head[SUMMARY_COLUMNS] = {
        "team",       "trajectories", "distinct",        "cophenetic",    "roles",     "clusters",
        "silhouette", "p agents",     "p time",          "p attribution", "purity",    "ARI",
        "NMI",        "assigned",     "purity at these", "ARI, halves",   "ARI, seeds"};
    const struct arena_mark mark = arena_mark(scratch);
    struct table t;
    table_init(&t, scratch, head, SUMMARY_COLUMNS, 1);
    for (int i = 0; i < n; i++) {
        double v[SUMMARY_COLUMNS];
        summary_values(v, p[i].roles);
        table_text(&t, p[i].roles->set->controller);
        for (int c = 1; c < SUMMARY_COLUMNS; c++) {
            if (v[c] == floor(v[c]) && (c == 1 || c == 2 || c == 4 || c == 5 || c == 13)) {
                table_cell(&t, "%.0f", v[c]);
            } else {
                put_number(&t, c >= 7 && c <= 9 ? 4 : 3, v[c]);
            }
        }
    }
    enum err e = buf_printf(out, "\nRoles (0: none)\n\n");
    e = e == ERR_OK ? table_print(out, &t, style) : e;
    arena_rewind(scratch, mark);
    return e;
}

enum err role_summary_csv(const struct role_report *p, int n, const char *path,
                          struct arena *scratch)
{
    struct csv csv;
    TRY(csv_create(&csv, scratch, path, summary_columns, SUMMARY_COLUMNS));
    enum err e = ERR_OK;
    for (int i = 0; i < n && e == ERR_OK; i++) {
        double v[SUMMARY_COLUMNS];
        summary_values(v, p[i].roles);
        csv_text(&csv, p[i].roles->set->controller);
        for (int c = 1; c < SUMMARY_COLUMNS; c++) {
            csv_num(&csv, v[c]);
        }
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    return e;
}
