/* One row for each team. See role_summary.h. */
#include "core/analysis/role_summary.h"

#include "core/analysis/fit.h"
#include "core/base/csv.h"

#include <math.h>
#include <string.h>

static const char *const summary_columns[] = {
    "team",         "trajectories", "distinct",   "cophenetic",    "roles",     "clusters",
    "silhouette",   "p_agents",     "p_time",     "p_attribution", "purity",    "ari",
    "nmi",          "clusters_at",  "purity_at",  "ari_halves",    "ari_seeds", "ari_seeds_lo",
    "ari_seeds_hi", "policies",     "train_seed", "sof",           "fof",       "of"};
enum { SUMMARY_COLUMNS = sizeof summary_columns / sizeof *summary_columns };

/* What stands in the columns behind the name. */
static void summary_values(double v[SUMMARY_COLUMNS], const struct role_report *p)
{
    const struct roles *r = p->roles;
    const uint64_t train_seed = r->n_policies == 1 ? r->set->episodes[0].train_seed : 0;
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
                                         r->stable_seeds.value,
                                         r->stable_seeds.lo,
                                         r->stable_seeds.hi,
                                         r->n_policies,
                                         train_seed > 0 ? (double)train_seed : NAN,
                                         p->sof,
                                         p->fof,
                                         fit_organisational(p->sof, p->fof)};
    memcpy(v, all, sizeof all);
}

static void put_row(struct table *t, const struct role_report *p)
{
    const struct roles *r = p->roles;
    const struct role_tree_quality *q = &r->quality[LINKAGE_AVERAGE];
    table_text(t, r->set->controller);
    table_cell(t, "%d", r->n_policies);
    table_cell(t, "%d", r->sequences->n);
    table_cell(t, "%d", r->sequences->n_distinct);
    table_fixed(t, q->cophenetic, 3);
    table_cell(t, "%d", r->found ? r->k : 0);
    table_cell(t, "%d", r->branches);
    table_fixed(t, r->branches > 1 ? q->silhouette[r->branches] : NAN, 3);
    table_fixed(t, r->agents.p, 4);
    table_fixed(t, r->time.p, 4);
    table_fixed(t, r->attribution, 4);
    table_fixed(t, r->with_roles.purity, 3);
    table_fixed(t, r->with_roles.ari, 3);
    table_fixed(t, r->with_roles.nmi, 3);
    table_cell(t, "%d", r->k_at);
    table_fixed(t, r->with_roles_at.purity, 3);
    table_fixed(t, r->stable_halves, 3);
    table_interval(t, &r->stable_seeds, 3);
    table_fixed(t, fit_organisational(p->sof, p->fof), 3);
}

enum err role_summary_print(struct buf *out, const struct role_report *p, int n,
                            enum table_style style, struct arena *scratch)
{
    static const char *const head[] = {
        "team",     "policies",   "trajectories", "distinct",        "cophenetic",    "roles",
        "clusters", "silhouette", "p agents",     "p time",          "p attribution", "purity",
        "ARI",      "NMI",        "assigned",     "purity at these", "ARI, halves",   "ARI, seeds",
        "OF"};
    const struct arena_mark mark = arena_mark(scratch);
    struct table t;
    table_init(&t, scratch, head, sizeof head / sizeof *head, 1);
    for (int i = 0; i < n; i++) {
        put_row(&t, &p[i]);
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
        summary_values(v, &p[i]);
        csv_text(&csv, p[i].roles->set->controller);
        for (int c = 1; c < SUMMARY_COLUMNS; c++) {
            csv_num(&csv, v[c]);
        }
        e = csv_end_row(&csv);
    }
    csv_close(&csv);
    return e;
}
