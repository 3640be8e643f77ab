/* Sums over decisions, and one window at a time for each agent. See conduct.h. */
#include "core/game/conduct.h"

#include "core/game/rules_parts.h"

enum err conduct_init(struct conduct *c, struct arena *arena, const struct guides *g)
{
    *c = (struct conduct){.agents = ARENA_NEW(arena, g->n_agents, struct conduct_agent),
                          .n_agents = g->n_agents};
    TRY(arena_error(arena));
    conduct_clear(c);
    return ERR_OK;
}

void conduct_clear(struct conduct *c)
{
    c->n_decisions = 0;
    for (int a = 0; a < c->n_agents; a++) {
        c->agents[a] = (struct conduct_agent){.age = -1};
    }
}

/* Changes (service, not 0) that replica bounds leave. */
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

static void advance_window(struct conduct_agent *a, double progress)
{
    if (a->age >= 0 && ++a->age == CONDUCT_WINDOW) {
        a->sum.windows += 1.0;
        a->sum.improved += progress > a->begun ? 1.0 : 0.0;
        a->age = -1;
    }
    if (a->age < 0 && a->open && progress < 0.0) {
        a->begun = progress;
        a->age = 0;
    }
}

void conduct_decide(struct conduct *c, const struct rules *r, const struct guides_memory *m,
                    const float *state)
{
    const int n_all = count_changes(r, state);
    for (int i = 0; i < c->n_agents; i++) {
        struct conduct_agent *a = &c->agents[i];
        const int n = rules_options(r, m, i, state);
        a->open = n > 0;
        a->sum.open += a->open ? 1.0 : 0.0;
        a->sum.size += n + 1.0;
        a->sum.chance += a->open ? (n + 1.0) / (n_all + 1.0) : 0.0;
        advance_window(a, guides_progress(m, r->guides, i));
    }
    c->n_decisions++;
}

void conduct_choice(struct conduct *c, int agent, bool inside, bool inside_free)
{
    struct conduct_agent *a = &c->agents[agent];
    a->sum.outside += inside ? 0.0 : 1.0;
    a->sum.inside += a->open && inside ? 1.0 : 0.0;
    a->sum.inside_free += a->open && inside_free ? 1.0 : 0.0;
}

void conduct_reward(struct conduct *c, int agent, const struct guides_reward *reward)
{
    struct conduct_values *sum = &c->agents[agent].sum;
    sum->mission += reward->mission;
    sum->bonus += reward->bonus;
    sum->penalty += reward->penalty;
}

void conduct_finish(struct conduct_values *out, const struct conduct *c)
{
    CHECK(c->n_decisions > 0);
    for (int a = 0; a < c->n_agents; a++) {
        struct conduct_values v = c->agents[a].sum;
        v.open /= c->n_decisions;
        v.inside /= c->n_decisions;
        v.inside_free /= c->n_decisions;
        v.outside /= c->n_decisions;
        v.size /= c->n_decisions;
        v.chance /= c->n_decisions;
        v.mission /= c->n_decisions;
        v.bonus /= c->n_decisions;
        v.penalty /= c->n_decisions;
        out[a] = v;
    }
}
