/* What a claim compares if it is about a number that each training has once. See claim_metric.h.
 *
 * Convergence is censored: of a training that has not reached the level it is known only that it
 * takes longer. With T the episodes until the level and tau the episodes of the shortest training
 * of both arms, the value of a training is
 *
 *     min(T, tau)        T = infinity if the level was not reached
 *
 * whose mean is the restricted mean time (J. O. Irwin, 1949). It is defined for every training, and
 * an arm gains nothing by trainings that never get there.
 *
 * In several scenarios the value of a training seed is the mean over them. A seed that lacks one of
 * them is left out. */
#include "core/eval/converged.h"
#include "core/report/report_parts.h"

#include <math.h>
#include <string.h>

/* A claim and the scenarios that it is about. */
struct gathering {
    const struct report *f;
    const struct ablation_claim *claim;
    const struct claim_metric *metric;
    const char **scenarios; /* (n_scenarios) */
    int n_scenarios;
    double shortest; /* tau */
};

/* ---- which results it is about ---- */

static bool in_claim(const struct gathering *g, const char *arm, const char *scenario)
{
    const struct ablation_claim *c = g->claim;
    return (strcmp(arm, c->arm) == 0 || strcmp(arm, c->baseline) == 0) &&
           (c->scenario[0] == '\0' || strcmp(scenario, c->scenario) == 0);
}

static void add_scenario(struct gathering *g, const char *scenario)
{
    for (int i = 0; i < g->n_scenarios; i++) {
        if (strcmp(g->scenarios[i], scenario) == 0) {
            return;
        }
    }
    g->scenarios[g->n_scenarios++] = scenario;
}

static enum err find_scenarios(struct gathering *g, struct arena *arena)
{
    const struct results *r = g->f->results;
    g->scenarios = ARENA_NEW(arena, r->n_trainings + r->n_agents, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < r->n_trainings && g->metric->of == CLAIM_OF_TRAININGS; i++) {
        const struct result_training *t = &r->trainings[i];
        if (t->n_evaluations > 0 && in_claim(g, t->arm, t->scenario)) {
            add_scenario(g, t->scenario);
            g->shortest = fmin(g->shortest, t->evaluated_episodes[t->n_evaluations - 1]);
        }
    }
    for (int i = 0; i < r->n_agents && g->metric->of == CLAIM_OF_AGENTS; i++) {
        const struct result_agent *a = &r->agents[i];
        if (a->n > 0 && !a->in_twin && in_claim(g, a->name, a->scenario)) {
            add_scenario(g, a->scenario);
        }
    }
    return ERR_OK;
}

/* ---- one value ---- */

/* Of trainings with another configuration than the first one of that arm nothing is known: they are
 * another arm. */
static const struct result_training *find_training(const struct gathering *g, const char *arm,
                                                   const char *scenario, uint64_t seed)
{
    const struct results *r = g->f->results;
    const struct result_training *first = NULL;
    for (int i = 0; i < r->n_trainings; i++) {
        const struct result_training *t = &r->trainings[i];
        if (strcmp(t->arm, arm) != 0 || strcmp(t->scenario, scenario) != 0) {
            continue;
        }
        first = first == NULL ? t : first;
        if (t->seed == seed && t->config_digest == first->config_digest && t->n_evaluations > 0) {
            return t;
        }
    }
    return NULL;
}

static double episodes_until(const struct gathering *g, const struct result_training *t)
{
    const double level = g->claim->level;
    if (level > 0.0) {
        const int at = converged_level_at(t->headroom, t->n_evaluations, level);
        return at >= 0 ? t->evaluated_episodes[at] : HUGE_VAL;
    }
    return isfinite(t->converged_episodes) ? t->converged_episodes : HUGE_VAL;
}

static const struct result_agent *find_agent(const struct gathering *g, const char *arm,
                                             const char *scenario, uint64_t seed)
{
    const struct results *r = g->f->results;
    for (int i = 0; i < r->n_agents; i++) {
        const struct result_agent *a = &r->agents[i];
        if (!a->in_twin && a->n > 0 && a->seed == seed && strcmp(a->name, arm) == 0 &&
            strcmp(a->scenario, scenario) == 0) {
            return a;
        }
    }
    return NULL;
}

static double share_of(const struct result_agent *a, int what)
{
    const struct share_sums *s = &a->shares[what == CLAIM_ALIGNMENT  ? AGENT_ALIGNMENT
                                            : what == CLAIM_UNMASKED ? AGENT_UNMASKED
                                                                     : AGENT_MISSIONS];
    return s->part / s->whole;
}

/* Mean over the scenarios; NaN if one is missing. *reached: the level, in all of them. */
static double value_of(const struct gathering *g, const char *arm, uint64_t seed, bool *reached)
{
    double sum = 0.0;
    *reached = true;
    for (int s = 0; s < g->n_scenarios; s++) {
        const char *scenario = g->scenarios[s];
        if (g->metric->of == CLAIM_OF_AGENTS) {
            const struct result_agent *a = find_agent(g, arm, scenario, seed);
            sum += a != NULL ? share_of(a, g->metric->index) : (double)NAN;
        } else {
            const struct result_training *t = find_training(g, arm, scenario, seed);
            const double until = t != NULL ? episodes_until(g, t) : (double)NAN;
            *reached = *reached && until <= g->shortest;
            sum += isnan(until) ? until : fmin(until, g->shortest);
        }
    }
    return sum / g->n_scenarios;
}

/* ---- all values of an arm ---- */

static bool has_seed(const uint64_t *seeds, int n, uint64_t seed)
{
    for (int i = 0; i < n; i++) {
        if (seeds[i] == seed) {
            return true;
        }
    }
    return false;
}

static int list_seeds(uint64_t *seeds, bool *learned, const struct gathering *g, const char *arm)
{
    const struct results *r = g->f->results;
    int n = 0;
    *learned = g->metric->of == CLAIM_OF_TRAININGS;
    for (int i = 0; i < r->n_trainings && g->metric->of == CLAIM_OF_TRAININGS; i++) {
        const struct result_training *t = &r->trainings[i];
        if (strcmp(t->arm, arm) == 0 && !has_seed(seeds, n, t->seed)) {
            seeds[n++] = t->seed;
        }
    }
    for (int i = 0; i < r->n_agents && g->metric->of == CLAIM_OF_AGENTS; i++) {
        const struct result_agent *a = &r->agents[i];
        if (strcmp(a->name, arm) == 0 && !has_seed(seeds, n, a->seed)) {
            seeds[n++] = a->seed;
            *learned = a->learned;
        }
    }
    return n;
}

static enum err gather(struct claim_arm *out, const struct gathering *g, const char *arm,
                       struct arena *arena)
{
    const struct results *r = g->f->results;
    uint64_t *seeds = ARENA_NEW(arena, r->n_trainings + r->n_agents, uint64_t);
    double *x = ARENA_NEW(arena, r->n_trainings + r->n_agents, double);
    TRY(arena_error(arena));
    *out = (struct claim_arm){.values = {.x = x}};
    const int n = list_seeds(seeds, &out->values.learned, g, arm);
    for (int i = 0; i < n; i++) {
        bool reached;
        const double value = value_of(g, arm, seeds[i], &reached);
        if (isfinite(value)) {
            x[out->values.n++] = value;
            out->n_reached += reached ? 1 : 0;
        }
    }
    return ERR_OK;
}

enum err report_claim_values(struct claim_arm *arm, struct claim_arm *baseline,
                             const struct report *f, const struct ablation_claim *claim,
                             const struct claim_metric *metric, struct arena *arena)
{
    struct gathering g = {.f = f, .claim = claim, .metric = metric, .shortest = HUGE_VAL};
    TRY(find_scenarios(&g, arena));
    TRY(gather(arm, &g, claim->arm, arena));
    return gather(baseline, &g, claim->baseline, arena);
}
