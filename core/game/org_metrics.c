/* Sums over decisions, and one window at a time for each agent. See org_metrics.h. */
#include "core/game/org_metrics.h"

#include "core/game/rules_parts.h"

enum err org_metrics_init(struct org_metrics *c, struct arena *arena, const struct guides *g)
{
    *c = (struct org_metrics){.agents = ARENA_NEW(arena, g->n_agents, struct org_metrics_agent),
                              .n_agents = g->n_agents};
    TRY(arena_error(arena));
    org_metrics_clear(c);
    return ERR_OK;
}

void org_metrics_clear(struct org_metrics *c)
{
    c->n_decisions = 0;
    for (int a = 0; a < c->n_agents; a++) {
        c->agents[a] = (struct org_metrics_agent){.age = -1};
    }
}

/* Changes (service, not 0) that replica bounds leave: of each service up to alpha in either
 * direction. */
static int count_changes(const struct rules *r, const float *state)
{
    const int alpha = r->guides->alpha;
    int n = 0;
    for (int s = 0; s < r->n_services; s++) {
        const struct service_cfg *svc = service_of(r, s);
        const int desired = desired_of(state, s);
        n += clip_int(svc->max_replicas - desired, 0, alpha) +
             clip_int(desired - svc->min_replicas, 0, alpha);
    }
    return n;
}

/* age counts the decisions of the window that is under way, -1: none. A window that ends at this
 * decision is counted first, so the next one may begin at the same decision: its last progress is
 * the new first one. It ends in MISSION_WINDOW calls at the latest; one that the episode cuts never
 * reaches the first branch. */
static void advance_window(struct org_metrics_agent *a, double progress)
{
    if (a->age >= 0 && ++a->age == MISSION_WINDOW) {
        a->sum.mission_windows += 1.0;
        a->sum.mission_improved += progress > a->begun ? 1.0 : 0.0;
        a->age = -1;
    }
    if (a->age < 0 && a->can_act && progress < 0.0) {
        a->begun = progress;
        a->age = 0;
    }
}

/* n + 1 and n_all + 1 count no change as a choice, which everybody has. Their ratio is the
 * probability that a choice drawn evenly from all open changes is one that the roles allow. */
void org_metrics_decide(struct org_metrics *c, const struct rules *r, const struct guides_memory *m,
                        const float *state)
{
    const int n_all = count_changes(r, state);
    for (int i = 0; i < c->n_agents; i++) {
        struct org_metrics_agent *a = &c->agents[i];
        const int n = rules_options(r, m, i, state);
        a->can_act = n > 0;
        a->sum.can_act += a->can_act ? 1.0 : 0.0;
        a->sum.mask_size += n + 1.0;
        a->sum.chance_compliant += a->can_act ? (n + 1.0) / (n_all + 1.0) : 0.0;
        advance_window(a, guides_progress(m, r->guides, i));
    }
    c->n_decisions++;
}

void org_metrics_choice(struct org_metrics *c, int agent, bool compliant, bool compliant_unmasked)
{
    struct org_metrics_agent *a = &c->agents[agent];
    a->sum.violation += compliant ? 0.0 : 1.0;
    a->sum.compliant += a->can_act && compliant ? 1.0 : 0.0;
    a->sum.compliant_unmasked += a->can_act && compliant_unmasked ? 1.0 : 0.0;
}

void org_metrics_reward(struct org_metrics *c, int agent, const struct guides_reward *reward)
{
    struct org_metric_values *sum = &c->agents[agent].sum;
    sum->mission += reward->mission;
    sum->bonus += reward->bonus;
    sum->penalty += reward->penalty;
}

/* Sums become means over decisions, except the two counts of windows: their ratio is formed over
 * many episodes, where the sums of both are known. */
void org_metrics_finish(struct org_metric_values *out, const struct org_metrics *c)
{
    CHECK(c->n_decisions > 0);
    for (int a = 0; a < c->n_agents; a++) {
        struct org_metric_values v = c->agents[a].sum;
        v.can_act /= c->n_decisions;
        v.compliant /= c->n_decisions;
        v.compliant_unmasked /= c->n_decisions;
        v.violation /= c->n_decisions;
        v.mask_size /= c->n_decisions;
        v.chance_compliant /= c->n_decisions;
        v.mission /= c->n_decisions;
        v.bonus /= c->n_decisions;
        v.penalty /= c->n_decisions;
        out[a] = v;
    }
}
