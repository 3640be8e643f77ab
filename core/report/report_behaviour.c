/* Table VII of the paper: what teams do, by org_metrics.csv of their evaluations and roles.csv of
 * karma analyse. See report_parts.h. */
#include "core/report/published.h"
#include "core/report/report_parts.h"

#include <math.h>
#include <string.h>

/* An arm, and numbers of each of its policies. */
struct behaviour {
    const char *name;
    int n;                   /* policies */
    double *x[AGENT_SHARES]; /* (n) */
};

static enum err behaviour_init(struct behaviour *b, struct report *f, const char *arm, int most)
{
    *b = (struct behaviour){.name = arm};
    for (int k = 0; k < AGENT_SHARES; k++) {
        b->x[k] = ARENA_NEW(f->arena, most, double);
    }
    return arena_error(f->arena);
}

/* ---- alignment ---- */

static bool counts(const struct result_agent *a, const char *arm)
{
    return !a->in_twin && a->n > 0 && strcmp(a->name, arm) == 0;
}

/* Entry i is the first of its arm, and of its seed. */
static bool is_first_agent(const struct results *r, int i, bool of_seed)
{
    const struct result_agent *a = &r->agents[i];
    for (int k = 0; k < i; k++) {
        if (counts(&r->agents[k], a->name) && (!of_seed || r->agents[k].seed == a->seed)) {
            return false;
        }
    }
    return counts(a, a->name);
}

/* Shares of each policy over all scenarios, in per cent. Returns the episodes of all agents. */
static int gather_agents(struct behaviour *b, const struct results *r, const char *arm)
{
    int n_episodes = 0;
    for (int i = 0; i < r->n_agents; i++) {
        struct share_sums sums[AGENT_SHARES] = {{0}};
        if (!counts(&r->agents[i], arm) || !is_first_agent(r, i, true)) {
            continue;
        }
        for (int j = i; j < r->n_agents; j++) {
            const struct result_agent *a = &r->agents[j];
            const bool same = counts(a, arm) && a->seed == r->agents[i].seed;
            n_episodes += same ? a->n : 0;
            for (int k = 0; same && k < AGENT_SHARES; k++) {
                sums[k].part += a->shares[k].part;
                sums[k].whole += a->shares[k].whole;
            }
        }
        for (int k = 0; k < AGENT_SHARES; k++) {
            b->x[k][b->n] = 100.0 * sums[k].part / sums[k].whole;
        }
        b->n++;
    }
    return n_episodes;
}

static enum err put_alignment(struct report *f)
{
    static const char *const head[] = {"arm",         "policies",           "agents' episodes",
                                       "alignment %", "published %",        "without masks %",
                                       "by chance %", "missions improved %"};
    static const char *const what[AGENT_SHARES] = {[AGENT_ALIGNMENT] = "alignment",
                                                   [AGENT_UNMASKED] = "alignment without masks",
                                                   [AGENT_CHANCE] = "chance",
                                                   [AGENT_MISSIONS] = "missions improved"};
    const struct results *r = f->results;
    const char *caption =
        arena_printf(f->arena, "Table VII of the paper: alignment with roles and missions%s",
                     report_caption_end);
    struct table t;
    TRY(arena_error(f->arena));
    table_init(&t, f->arena, head, 8, 1);
    for (int i = 0; i < r->n_agents; i++) {
        const char *arm = r->agents[i].name;
        const int row = published_find(arm);
        struct behaviour b;
        struct stat_interval v[AGENT_SHARES];
        if (!is_first_agent(r, i, false)) {
            continue;
        }
        TRY(behaviour_init(&b, f, arm, r->n_agents));
        const int n_episodes = gather_agents(&b, r, arm);
        for (int k = 0; k < AGENT_SHARES; k++) {
            TRY(report_mean(&v[k], f, arm, what[k], b.x[k], b.n));
        }
        table_text(&t, arm);
        table_cell(&t, "%d", b.n);
        table_cell(&t, "%d", n_episodes);
        table_interval(&t, &v[AGENT_ALIGNMENT], 1);
        table_fixed(&t, row >= 0 ? published[row].alignment : NAN, 1);
        table_interval(&t, &v[AGENT_UNMASKED], 1);
        table_fixed(&t, v[AGENT_CHANCE].value, 1);
        table_interval(&t, &v[AGENT_MISSIONS], 1);
    }
    page_table(f->page, "paper-table-7", caption,
               "Alignment: share of the decisions at which an agent could change something and "
               "chose what its roles allow; without masks: the same of the choices that it would "
               "make if no mask forbade any. By chance: the same for a uniform choice. Means over "
               "policies (training seeds), with intervals over them. Arms without an organisation "
               "are measured by that of the evaluation.",
               &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(f, caption, "there is no org_metrics.csv beside the evaluations");
    }
    return t.failed;
}

/* ---- clusters ---- */

/* Of analyses of one policy each: purity and fit. ari: of the analysis of several together, whose
 * purity and fit stand in where no policy was analysed alone. */
static void gather_analyses(struct behaviour *b, struct stat_interval *ari, int *n_with_roles,
                            const struct results *r, const char *arm)
{
    const struct result_analysis *together = NULL;
    *ari = (struct stat_interval){NAN, NAN, NAN};
    *n_with_roles = 0;
    for (int i = 0; i < r->n_analyses; i++) {
        const struct result_analysis *a = &r->analyses[i];
        if (strcmp(a->team, arm) != 0) {
            continue;
        }
        if (a->n_policies > 1) {
            together = a;
            *ari = a->ari_seeds;
        } else {
            b->x[0][b->n] = 100.0 * a->purity;
            b->x[1][b->n++] = a->of;
            *n_with_roles += a->n_roles > 0 ? 1 : 0;
        }
    }
    if (b->n == 0 && together != NULL) {
        b->x[0][0] = 100.0 * together->purity;
        b->x[1][0] = together->of;
        *n_with_roles = together->n_roles > 0 ? 1 : 0;
        b->n = 1;
    }
}

static bool is_first_team(const struct results *r, int i)
{
    for (int k = 0; k < i; k++) {
        if (strcmp(r->analyses[k].team, r->analyses[i].team) == 0) {
            return false;
        }
    }
    return true;
}

static enum err put_clusters(struct report *f)
{
    static const char *const head[] = {"arm",        "analyses",       "purity %", "published %",
                                       "with roles", "ARI over seeds", "OF"};
    const struct results *r = f->results;
    const char *caption =
        arena_printf(f->arena,
                     "Table VII of the paper: clustering purity and fit of the roles "
                     "found in behaviour%s",
                     report_caption_end);
    struct table t;
    TRY(arena_error(f->arena));
    table_init(&t, f->arena, head, 7, 1);
    for (int i = 0; i < r->n_analyses; i++) {
        const char *arm = r->analyses[i].team;
        const int row = published_find(arm);
        struct behaviour b;
        struct stat_interval purity, of, ari;
        int n_with_roles;
        if (!is_first_team(r, i)) {
            continue;
        }
        TRY(behaviour_init(&b, f, arm, r->n_analyses));
        gather_analyses(&b, &ari, &n_with_roles, r, arm);
        TRY(report_mean(&purity, f, b.name, "purity", b.x[0], b.n));
        TRY(report_mean(&of, f, b.name, "organisational fit", b.x[1], b.n));
        table_text(&t, arm);
        table_cell(&t, "%d", b.n);
        table_interval(&t, &purity, 1);
        table_fixed(&t, row >= 0 ? published[row].purity : NAN, 1);
        table_cell(&t, "%d", n_with_roles);
        table_interval(&t, &ari, 3);
        table_interval(&t, &of, 3);
    }
    page_table(f->page, "paper-table-7-clusters", caption,
               "Made by karma analyse. Purity: share of the trajectories whose assigned role is "
               "the most frequent one of their cluster, in as many clusters as there are assigned "
               "roles. With roles: analyses in which all three tests reject that there are none. "
               "ARI over seeds: mean over pairs of training seeds of the agreement of their roles, "
               "from an analysis of all of them together. OF: organisational fit. Means over "
               "analyses of one training seed each, with intervals over them.",
               &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(
            f, caption,
            "no team was analysed: play it with eval.trajectories: all, then karma analyse "
            "RUN; of an ablation, make behaviour does both");
    }
    return t.failed;
}

enum err report_behaviour(struct report *f)
{
    TRY(put_alignment(f));
    return put_clusters(f);
}
