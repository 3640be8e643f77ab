/* A play for each agent with its second choice, then tapes of both on simulator and twin. See
 * explain.h. */
#include "mpi/jobs/explain.h"

#include "core/analysis/influence.h"
#include "core/base/log.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/policy.h"
#include "core/report/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct explaining {
    const struct explain_order *order;
    struct arena *arena;
    const struct trajectory_set *set;
    const struct analysed_episode *e;
    int index; /* of the episode in the set */
    struct replay replay;
    struct replay_team *team;
    struct episode twin; /* of a twin; env_setup NULL: there is none */
    const char *const *inputs;
    int32_t *action; /* (A, F) of this decision, with the replaced choice */
    int32_t *tape;   /* (decision + EXPLAIN_AHEAD, n_services) */
    int n_ahead;
};

/* ---- which decision ---- */

static enum err find_set(struct explaining *x)
{
    struct trajectory_set *sets;
    const struct explain_order *o = x->order;
    int n;
    TRY(trajectory_sets_read(&sets, &n, x->arena, o->runs, o->n_runs, o->controller));
    if (n > 1) {
        log_error("%d teams were recorded, '%s' and others; choose one with --controller NAME", n,
                  sets[0].controller);
        return ERR_USAGE;
    }
    x->set = &sets[0];
    return ERR_OK;
}

static enum err find_episode(struct explaining *x)
{
    const struct explain_order *o = x->order;
    for (int i = 0; i < x->set->n_episodes; i++) {
        const struct analysed_episode *e = &x->set->episodes[i];
        if (e->episode == (uint32_t)o->episode &&
            (o->scenario == NULL || strcmp(o->scenario, e->scenario) == 0) &&
            (o->train_seed < 0 || e->train_seed == (uint64_t)o->train_seed)) {
            if (o->decision >= e->n_steps) {
                log_error("--decision %d: episode %d has the decisions 0 to %d", o->decision,
                          o->episode, e->n_steps - 1);
                return ERR_USAGE;
            }
            x->e = e;
            x->index = i;
            return ERR_OK;
        }
    }
    log_error("no recorded episode of '%s' has the number %d%s%s; the first one is %u of scenario "
              "'%s', training seed %" PRIu64,
              x->set->controller, o->episode, o->scenario != NULL ? " in scenario " : "",
              o->scenario != NULL ? o->scenario : "", x->set->episodes[0].episode,
              x->set->episodes[0].scenario, x->set->episodes[0].train_seed);
    return ERR_USAGE;
}

static const float *state_now(const struct explaining *x)
{
    return trajectory_state(x->set, x->index, x->order->decision);
}

/* ---- words ---- */

/* "a +2, b -1"; "no change". */
static const char *change_words(const struct explaining *x, int agent, const int32_t *action)
{
    const struct rules *r = x->team->controller->rules;
    const int32_t *own = action + agent * x->team->play.n_factors;
    int32_t *change = ARENA_NEW(x->arena, x->set->n_services, int32_t);
    const char *text = "";
    if (r == NULL || change == NULL) {
        return arena_printf(x->arena, "choice %d", (int)own[0]);
    }
    rules_changes(change, r, state_now(x), own);
    for (int s = 0; s < x->set->n_services && text != NULL; s++) {
        if (change[s] != 0) {
            text = arena_printf(x->arena, "%s%s%s %+d", text, text[0] != '\0' ? ", " : "",
                                x->set->services[s], (int)change[s]);
        }
    }
    return text != NULL && text[0] == '\0' ? "no change" : text;
}

static int count_open(const struct explaining *x, int agent)
{
    const struct team_spec *spec = x->team->c.base.spec;
    const int words = env_mask_words(spec);
    int n = 0;
    for (int f = 0; f < spec->n_factors; f++) {
        for (int k = 0; k < spec->n_choices; k++) {
            n += mask_has(x->team->c.seen_mask + (agent * spec->n_factors + f) * words, k) ? 1 : 0;
        }
    }
    return n;
}

/* ---- why ---- */

/* Probabilities of the two choices of the factor that was replaced, the difference of their logits,
 * and the influence of each input on it. */
struct reason {
    double p_first, p_second, margin;
    struct influence influence;
    double *a; /* (inputs) */
    int n_inputs;
};

static enum err find_reason(struct reason *out, struct explaining *x, int agent)
{
    const struct counterfactual *c = &x->team->c;
    const struct team *t = mappo_team_of(x->team->trained->learner);
    const struct team_spec *spec = t->spec;
    const int n_in = t->actor.shape.sizes[0], n_out = t->actor.shape.sizes[t->actor.shape.n_layers];
    const size_t obs_floats = (size_t)(spec->n_agents * t->obs_ld);
    float *obs = ARENA_NEW(x->arena, obs_floats, float);
    float *normalised = ARENA_NEW(x->arena, spec->n_global_state, float);
    float *base = ARENA_NEW(x->arena, n_in, float);
    float *logits = ARENA_NEW(x->arena, n_out + POLICY_SLACK, float);
    float *logp = ARENA_NEW(x->arena, spec->n_choices + POLICY_SLACK, float);
    float *prob = ARENA_NEW(x->arena, spec->n_choices + POLICY_SLACK, float);
    double *in = ARENA_NEW(x->arena, n_in, double), *y = ARENA_NEW(x->arena, n_out, double);
    double *weight = ARENA_NEW(x->arena, n_out, double);
    *out = (struct reason){.a = ARENA_NEW(x->arena, n_in, double), .n_inputs = spec->n_obs};
    TRY(arena_error(x->arena));
    team_inputs(t, obs, NULL, normalised, c->seen, NULL, 1);
    const float *row = obs + (size_t)agent * (size_t)t->obs_ld;
    const float *params = t->w.params + t->actor_at[t->n_actors == 1 ? 0 : agent];
    for (int i = 0; i < n_in; i++) {
        in[i] = (double)row[i];
        base[i] = i < spec->n_obs ? 0.0F : row[i]; /* which agent it is stays */
    }
    TRY(influence_forward(y, &t->actor, params, in, x->arena));
    for (int k = 0; k < n_out; k++) {
        logits[k] = (float)y[k];
    }
    const int first = c->factor * spec->n_choices + c->first;
    const int second = c->factor * spec->n_choices + c->second;
    (void)policy_softmax(logp, prob, logits + c->factor * spec->n_choices,
                         c->seen_mask +
                             (agent * spec->n_factors + c->factor) * env_mask_words(spec),
                         spec->n_choices);
    out->p_first = (double)prob[c->first];
    out->p_second = (double)prob[c->second];
    out->margin = y[first] - y[second];
    weight[first] = 1.0;
    weight[second] = -1.0;
    return influence_of(&out->influence, out->a, &t->actor, params, row, base, weight, x->arena);
}

static void print_reason(const struct explaining *x, const struct reason *r)
{
    printf("  influence  ");
    for (int k = 0; k < EXPLAIN_INPUTS; k++) {
        int best = 0;
        for (int i = 1; i < r->n_inputs; i++) {
            best = fabs(r->a[i]) > fabs(r->a[best]) ? i : best;
        }
        printf("%s%s %+.2f", k > 0 ? ", " : "", x->inputs != NULL ? x->inputs[best] : "input",
               r->a[best]);
        r->a[best] = 0.0;
    }
    printf("; all inputs %+.2f, at the mean input %+.2f\n", r->influence.sum, r->influence.base);
}

/* ---- rules of roles ---- */

static void print_rule(const struct explaining *x, const struct guides *g,
                       const struct guides_memory *m, const struct guides_rule *rule)
{
    const struct org_role_cfg *role = &g->org.cfg->roles[rule->role];
    const struct org_rule_cfg *cfg = &role->rules[rule->rule];
    printf("  rule       %s, rule %d: %+d to %+d on", role->name, rule->rule, cfg->from, cfg->to);
    for (int s = 0; s < g->n_services; s++) {
        if (expr_value(&g->program, m->values, rule->on, s) != 0.0) {
            printf(" %s", x->set->services[s]);
        }
    }
    printf(", when %s\n", cfg->when);
}

static bool rule_holds(const struct guides *g, const struct guides_memory *m,
                       const struct guides_rule *rule)
{
    bool on = false;
    for (int s = 0; s < g->n_services; s++) {
        on = on || expr_value(&g->program, m->values, rule->on, s) != 0.0;
    }
    return on && expr_value(&g->program, m->values, rule->when, 0) != 0.0;
}

static enum err guides_until_now(struct guides_memory *m, const struct explaining *x,
                                 const struct guides *g)
{
    TRY(guides_memory_init(m, x->arena, g));
    for (int t = 0; t <= x->order->decision; t++) {
        guides_update(m, g, trajectory_state(x->set, x->index, t));
    }
    return ERR_OK;
}

static enum err print_rules(const struct explaining *x, int agent)
{
    const struct rules *r = x->team->controller->rules;
    const struct guides *g = r != NULL ? r->guides : NULL;
    struct guides_memory m;
    int n = 0;
    if (g == NULL) {
        printf("  rules      none: the team has no organisation\n");
        return ERR_OK;
    }
    TRY(guides_until_now(&m, x, g));
    for (int k = 0; k < g->n_rules; k++) {
        const bool own = (g->org.agent_is[r->guide_of[agent]] >> g->rules[k].role & 1U) != 0;
        if (own && rule_holds(g, &m, &g->rules[k])) {
            print_rule(x, g, &m, &g->rules[k]);
            n++;
        }
    }
    if (n == 0) {
        printf("  rules      none of its roles' rules holds: no change is allowed\n");
    }
    return ERR_OK;
}

/* ---- outcomes ---- */

/* Plays the changes of a tape, and nothing behind its end. */
struct tape {
    struct controller base;
    const struct explaining *x;
    int step;
};

static void tape_reset(struct controller *c, const struct episode_id *id, const struct schedule *f)
{
    (void)id;
    (void)f;
    ((struct tape *)c)->step = 0;
}

static void tape_act(struct controller *c, int32_t *delta, const float *state)
{
    struct tape *t = (struct tape *)c;
    const int n = t->x->set->n_services;
    (void)state;
    for (int s = 0; s < n; s++) {
        delta[s] =
            t->step < t->x->order->decision + t->x->n_ahead ? t->x->tape[t->step * n + s] : 0;
    }
    t->step++;
}

static const struct controller_ops tape_ops = {.reset = tape_reset, .act = tape_act};

/* Means over the decisions from the explained one on. */
struct outcome {
    const struct explaining *x;
    double answered, cost, reward;
};

static enum err add_outcome(void *ctx, const struct episode_step *step)
{
    struct outcome *o = ctx;
    const int n = o->x->n_ahead, from = o->x->order->decision;
    if (step->step >= from) {
        o->answered += step->reward->sr / n;
        o->cost += step->reward->cost / n;
        o->reward += step->reward->reward / n;
    }
    return step->step + 1 == from + n ? ERR_STOPPED : ERR_OK;
}

static enum err keep_tape(void *ctx, const struct episode_step *step)
{
    struct explaining *x = ctx;
    memcpy(x->tape + (ptrdiff_t)step->step * x->set->n_services, step->delta,
           (size_t)x->set->n_services * sizeof *step->delta);
    return step->step + 1 == x->order->decision + x->n_ahead ? ERR_STOPPED : ERR_OK;
}

/* A play that an observer ends. */
static enum err play(const struct explaining *x, struct episode *e, struct controller *c,
                     const struct episode_observer *observer)
{
    const struct counterfactual_play *p = &x->team->play;
    struct episode_metrics m;
    const enum err end = episode_run(e, &m, c, p->scenario, &p->id, observer);
    return end == ERR_STOPPED ? ERR_OK : end;
}

/* The team plays, with agent's choice replaced (or none, -1); its changes go to the tape, the tape
 * to simulator and twin. */
static enum err find_outcomes(struct outcome out[2], struct explaining *x, int agent)
{
    const struct episode_observer keep = {.ctx = x, .see = keep_tape};
    struct tape tape = {.base = {.ops = &tape_ops,
                                 .env_setup = &x->order->x->env_setup,
                                 .name = x->set->controller},
                        .x = x};
    counterfactual_replace(&x->team->c, agent < 0 ? 0 : agent, agent < 0 ? -1 : x->order->decision);
    TRY(play(x, &x->replay.episode, x->team->controller, &keep));
    for (int k = 0; k < 2; k++) {
        const struct episode_observer sum = {.ctx = &out[k], .see = add_outcome};
        out[k] = (struct outcome){.x = x, .answered = NAN, .cost = NAN, .reward = NAN};
        if (k == 0 || x->twin.env_setup != NULL) {
            out[k] = (struct outcome){.x = x};
            TRY(play(x, k == 0 ? &x->replay.episode : &x->twin, &tape.base, &sum));
        }
    }
    return ERR_OK;
}

static void add_row(struct table *t, const char *who, const char *choice, const char *where,
                    const struct outcome *o)
{
    table_text(t, who);
    table_text(t, choice);
    table_text(t, where);
    table_number(t, o->answered);
    table_number(t, o->cost);
    table_number(t, o->reward);
}

/* ---- all ---- */

static enum err explain_agent(struct explaining *x, struct table *t, int agent)
{
    static const char *const places[2] = {"simulator", "twin"};
    const int n_factors = x->team->play.n_factors;
    struct outcome outcomes[2];
    TRY(find_outcomes(outcomes, x, agent));
    const bool has_second = x->team->c.replaced;
    memcpy(x->action,
           x->team->play.action +
               (ptrdiff_t)x->order->decision * x->team->play.n_agents * n_factors,
           (size_t)(x->team->play.n_agents * n_factors) * sizeof *x->action);
    printf("\n%s: %s\n", x->set->agents[agent], change_words(x, agent, x->action));
    TRY(print_rules(x, agent));
    printf("  mask       %d choices open\n", count_open(x, agent));
    if (!has_second) {
        printf("  second     none: every choice that the mask leaves comes to the same change\n");
        return ERR_OK;
    }
    x->action[agent * n_factors + x->team->c.factor] = x->team->c.second;
    const char *second = change_words(x, agent, x->action);
    for (int k = 0; k < 2; k++) {
        add_row(t, x->set->agents[agent], second, places[k], &outcomes[k]);
    }
    if (mappo_team_of(x->team->trained->learner) == NULL) {
        printf("  second     %s; the method of training tells no probabilities\n", second);
        return ERR_OK;
    }
    struct reason reason;
    TRY(find_reason(&reason, x, agent));
    printf("  second     %s; probability %.3f against %.3f, margin %+.2f\n", second,
           reason.p_second, reason.p_first, reason.margin);
    print_reason(x, &reason);
    return ERR_OK;
}

static enum err explain(struct explaining *x)
{
    static const char *const head[] = {"agent", "choice", "in", "answered", "cost", "reward"};
    const struct explain_order *o = x->order;
    const int left = x->e->n_steps - o->decision;
    struct outcome recorded[2];
    struct table t;
    x->n_ahead = left < EXPLAIN_AHEAD ? left : EXPLAIN_AHEAD;
    x->tape = ARENA_NEW(x->arena, (o->decision + x->n_ahead) * x->set->n_services, int32_t);
    x->action = ARENA_NEW(x->arena, x->team->play.n_agents * x->team->play.n_factors, int32_t);
    TRY(arena_error(x->arena));
    printf("%s, scenario %s, %s episode %u, training seed %" PRIu64 ": decision %d, at %g s\n",
           x->set->controller, x->e->scenario, x->e->split, x->e->episode, x->e->train_seed,
           o->decision, o->decision * x->set->period_s);
    table_init(&t, x->arena, head, 6, 3);
    TRY(find_outcomes(recorded, x, -1));
    add_row(&t, "team", "as it chose", "simulator", &recorded[0]);
    add_row(&t, "team", "as it chose", "twin", &recorded[1]);
    for (int a = 0; a < x->set->n_agents; a++) {
        TRY(explain_agent(x, &t, a));
    }
    printf("\nThe next %d decisions, if one agent makes its second choice instead (means)%s\n\n",
           x->n_ahead, x->twin.env_setup == NULL ? "; there is no twin to predict them" : "");
    return table_show(&t);
}

enum err explain_decision(const struct explain_order *order, struct arena *arena)
{
    struct explaining x = {.order = order, .arena = arena};
    TRY(find_set(&x));
    TRY(find_episode(&x));
    TRY(replay_open(&x.replay, arena, x.set, order->x));
    TRY(replay_first(&x.team, &x.replay, x.e));
    if (order->x->env_setup.twin != NULL) {
        TRY(episode_init_on(&x.twin, arena, &order->x->env_setup, PLANT_KIND_TWIN));
    }
    const struct rules *r = x.team->controller->rules;
    x.inputs = r != NULL ? rules_inputs(r, arena) : NULL;
    TRY(arena_error(arena));
    return explain(&x);
}
