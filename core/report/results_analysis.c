/* roles.csv of karma analyse: one row for each team that was analysed. See results.h.
 *
 * An analysis of one training seed gives a value of that seed; one of several seeds together gives
 * the agreement between them. */
#include "core/report/results_parts.h"

#include "core/base/log.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum column { POLICIES, TRAIN_SEED, ROLES, PURITY, ARI, ARI_LO, ARI_HI, OF, COLUMNS };
static const char *const column_names[COLUMNS] = {"policies",     "train_seed", "roles",
                                                  "purity_at",    "ari_seeds",  "ari_seeds_lo",
                                                  "ari_seeds_hi", "of"};

/* The analysis of the same team and seed that was read before; NULL: there is none. Of analyses of
 * several seeds one counts for each team. */
static const struct result_analysis *known(const struct results *r, const struct result_analysis *a)
{
    for (int i = 0; i < r->n_analyses; i++) {
        const struct result_analysis *b = &r->analyses[i];
        if (strcmp(a->team, b->team) == 0 && (a->n_policies > 1) == (b->n_policies > 1) &&
            (a->n_policies > 1 || a->train_seed == b->train_seed)) {
            return b;
        }
    }
    return NULL;
}

static enum err damaged(const struct columns *c, const int *at, enum column k)
{
    log_error("%s:%d: %s is '%s'; the file was damaged: analyse again", c->reader.path,
              c->reader.line, column_names[k], c->cells[at[k]]);
    return ERR_FORMAT;
}

static bool is_count(double v)
{
    return v >= 0.0 && v <= 1e9 && v == floor(v);
}

static bool is_share(double v)
{
    return isnan(v) || (v >= 0.0 && v <= 1.0);
}

static enum err take_row(struct results *r, const struct columns *c, int team, const int *at,
                         const char *shown)
{
    double v[COLUMNS];
    for (int k = 0; k < COLUMNS; k++) {
        TRY(columns_number(&v[k], c, at[k]));
    }
    for (int k = 0; k < COLUMNS; k++) {
        const bool counts = k == POLICIES || k == ROLES || (k == TRAIN_SEED && !isnan(v[k]));
        const bool shares = k == PURITY || k == OF;
        if ((counts && !is_count(v[k])) || (shares && !is_share(v[k]))) {
            return damaged(c, at, (enum column)k);
        }
    }
    const struct result_analysis a = {.team = arena_strdup(r->arena, c->cells[team]),
                                      .path = shown,
                                      .n_policies = (int)v[POLICIES],
                                      .train_seed =
                                          isnan(v[TRAIN_SEED]) ? 0 : (uint64_t)v[TRAIN_SEED],
                                      .n_roles = (int)v[ROLES],
                                      .purity = v[PURITY],
                                      .of = v[OF],
                                      .ari_seeds = {v[ARI], v[ARI_LO], v[ARI_HI]}};
    TRY(arena_error(r->arena));
    const struct result_analysis *before = known(r, &a);
    if (before != NULL) {
        results_leave_out(r, shown,
                          "the team '%s'%s was analysed in %s, too; the first counts. Report one "
                          "of them by itself",
                          a.team, a.n_policies > 1 ? " of several training seeds" : "",
                          before->path);
        return arena_error(r->arena);
    }
    struct result_analysis *list = RESULTS_GROW(r, analyses, struct result_analysis);
    TRY(arena_error(r->arena));
    r->analyses = list;
    r->analyses[r->n_analyses++] = a;
    return ERR_OK;
}

static enum err take_rows(struct results *r, struct columns *c, const char *shown)
{
    int team, at[COLUMNS];
    bool more;
    TRY(columns_need(&team, c, "team"));
    for (int k = 0; k < COLUMNS; k++) {
        TRY(columns_need(&at[k], c, column_names[k]));
    }
    while (true) {
        TRY(columns_next(c, &more));
        if (!more) {
            break;
        }
        TRY(take_row(r, c, team, at, shown));
    }
    if (c->torn) {
        log_error("%s: its last row is torn; the same karma analyse writes it again",
                  c->reader.path);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

/* Nothing of a file that is damaged stays. */
enum err results_read_analysis(struct results *r, const struct result_dir *d, const char *path)
{
    struct columns c;
    const int first = r->n_analyses;
    const char *shown =
        strcmp(d->shown, ".") == 0 ? "roles.csv" : arena_printf(r->arena, "%s/roles.csv", d->shown);
    TRY(arena_error(r->arena));
    TRY(columns_open(&c, r->arena, path));
    const enum err e = take_rows(r, &c, shown);
    columns_close(&c);
    r->n_analyses = e == ERR_OK ? r->n_analyses : first;
    return e;
}
