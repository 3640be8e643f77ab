/* The organisation compiled for one topology, and its evaluation decision by decision.
 *
 * Rules lie in one list, ordered by role. An agent's allowed changes at a service are the union
 * over the rules of all roles it is (inherited ones included) whose `when` holds and whose `on`
 * selects the service, and no change.
 */
#include "core/org/guides.h"

#include "core/plant/schema.h"

#include <stdio.h>
#include <string.h>

/* ---- compiling ---- */

/* Turns the texts of one organisation into steps; keys say where in the configuration a text
 * stands. */
struct compiler {
    struct guides *g;
    const struct cfg *src_locs;
    const char *prefix;
};

struct key {
    char s[ORG_KEY_BYTES];
};

static struct key key_of(const struct compiler *c, const char *list, int i, const char *member)
{
    struct key k;
    (void)snprintf(k.s, sizeof k.s, "%s.%s.%d.%s", c->prefix, list, i, member);
    return k;
}

static enum err add(int *step, struct compiler *c, const char *text, unsigned want, struct key key)
{
    return expr_add(step, &c->g->program, text, want, c->src_locs, key.s);
}

static enum err compile_definitions(struct compiler *c)
{
    const struct org_cfg *cfg = c->g->org.cfg;
    for (int i = 0; i < cfg->n_define; i++) {
        TRY(expr_define(&c->g->program, cfg->define[i].name, cfg->define[i].is, c->src_locs,
                        key_of(c, "define", i, "name").s, key_of(c, "define", i, "is").s));
    }
    return ERR_OK;
}

/* Bit d + alpha for each change d in from .. to that an action can make. 2 alpha + 1 <= 31 bits. */
static uint32_t bits_of(int from, int to, int alpha)
{
    uint32_t bits = 0;
    for (int d = -alpha; d <= alpha; d++) {
        bits |= (uint32_t)(d >= from && d <= to) << (d + alpha);
    }
    return bits;
}

static enum err compile_rule(struct guides_rule *out, struct compiler *c, int role, int rule)
{
    const struct org_rule_cfg *r = &c->g->org.cfg->roles[role].rules[rule];
    const int alpha = c->g->alpha;
    char member[64];
    (void)snprintf(member, sizeof member, "rules.%d.when", rule);
    TRY(add(&out->when, c, r->when, EXPR_A_CONDITION | EXPR_ONE_VALUE,
            key_of(c, "roles", role, member)));
    (void)snprintf(member, sizeof member, "rules.%d.on", rule);
    TRY(add(&out->on, c, r->on, EXPR_A_CONDITION, key_of(c, "roles", role, member)));
    (void)snprintf(member, sizeof member, "rules.%d.from", rule);
    out->bits = bits_of(r->from, r->to, alpha);
    out->role = role;
    out->rule = rule;
    /* A change that no action can make would silently be left out by bits_of(). */
    if (r->from < -alpha || r->to > alpha) {
        return plant_cfg_error(c->src_locs, key_of(c, "roles", role, member).s,
                               "role '%s' allows changes from %d to %d, but an action changes at "
                               "most %d (plant.alpha); write changes from %d to %d",
                               c->g->org.cfg->roles[role].name, r->from, r->to, alpha, -alpha,
                               alpha);
    }
    return ERR_OK;
}

static enum err compile_rules(struct compiler *c, struct arena *arena)
{
    const struct org_cfg *cfg = c->g->org.cfg;
    int n = 0;
    for (int r = 0; r < cfg->n_roles; r++) {
        n += cfg->roles[r].n_rules;
    }
    struct guides_rule *rules = ARENA_NEW(arena, n, struct guides_rule);
    TRY(arena_error(arena));
    c->g->rules = rules;
    for (int r = 0; r < cfg->n_roles; r++) {
        for (int k = 0; k < cfg->roles[r].n_rules; k++) {
            TRY(compile_rule(&rules[c->g->n_rules], c, r, k));
            c->g->n_rules++;
        }
    }
    return ERR_OK;
}

/* Goals and conditions of norms, which have one value each: a reward is not one of a service. */
static enum err compile_goals(struct compiler *c, struct arena *arena)
{
    const struct org_cfg *cfg = c->g->org.cfg;
    struct guides_goal *goals = ARENA_NEW(arena, cfg->n_goals, struct guides_goal);
    int *norm_when = ARENA_NEW(arena, cfg->n_norms, int);
    TRY(arena_error(arena));
    for (int j = 0; j < cfg->n_goals; j++) {
        TRY(add(&goals[j].loss, c, cfg->goals[j].loss, EXPR_A_NUMBER | EXPR_ONE_VALUE,
                key_of(c, "goals", j, "loss")));
        TRY(add(&goals[j].divisor, c, cfg->goals[j].divisor, EXPR_A_NUMBER | EXPR_ONE_VALUE,
                key_of(c, "goals", j, "divisor")));
        TRY(add(&goals[j].achieved, c, cfg->goals[j].achieved, EXPR_A_CONDITION | EXPR_ONE_VALUE,
                key_of(c, "goals", j, "achieved")));
    }
    for (int i = 0; i < cfg->n_norms; i++) {
        TRY(add(&norm_when[i], c, cfg->norms[i].when, EXPR_A_CONDITION | EXPR_ONE_VALUE,
                key_of(c, "norms", i, "when")));
    }
    c->g->goals = goals;
    c->g->norm_when = norm_when;
    return ERR_OK;
}

/* ---- masks that can never open ---- */

/* Whether a condition may hold for some service; values: of a run, which settles what does not
 * depend on the state. */
static bool may_hold(const struct guides *g, const double *values, int step)
{
    const struct expr_step *s = &g->program.code[step];
    bool may = s->varies;
    for (int i = 0; i < (s->wide ? g->n_services : 1); i++) {
        may = may || values[s->at + i] != 0.0;
    }
    return may;
}

/* An agent of hardness above 0 whose rules can never hold would be masked to 'no change': a mistake
 * in the configuration. One run on a state of zeros computes all steps that do not vary, and
 * may_hold() takes those that vary for true, so no agent is refused that could ever act. A rule
 * opens the mask only if its `when` and its `on` may both hold. */
static enum err check_agents(struct compiler *c, struct arena *arena)
{
    const struct guides *g = c->g;
    const struct arena_mark mark = arena_mark(arena);
    double *values = ARENA_NEW(arena, g->program.n_values, double);
    double *memory = ARENA_NEW(arena, g->program.n_memory, double);
    float *state = ARENA_NEW(arena, state_size(g->n_services), float);
    TRY(arena_error(arena));
    expr_run(values, memory, &g->program, state, 0);
    enum err e = ERR_OK;
    for (int a = 0; a < g->n_agents && e == ERR_OK; a++) {
        bool opens = g->hardness[a] == 0.0;
        for (int k = 0; k < g->n_rules; k++) {
            const struct guides_rule *r = &g->rules[k];
            opens = opens || ((g->org.agent_is[a] >> r->role & 1U) != 0 &&
                              may_hold(g, values, r->when) && may_hold(g, values, r->on));
        }
        if (!opens) {
            e = plant_cfg_error(c->src_locs, key_of(c, "agents", a, "roles").s,
                                "the mask of agent '%s' is empty: no rule of its roles ever allows "
                                "a change in this topology; give a role a rule that can hold",
                                g->org.cfg->agents[a].name);
        }
    }
    arena_rewind(arena, mark);
    return e;
}

static enum err list_hardness(struct guides *g, struct arena *arena)
{
    double *hardness = ARENA_NEW(arena, g->n_agents, double);
    TRY(arena_error(arena));
    for (int a = 0; a < g->n_agents; a++) {
        hardness[a] = org_hardness(&g->org, a);
    }
    g->hardness = hardness;
    return ERR_OK;
}

enum err guides_init(struct guides *g, struct arena *arena, const struct org_cfg *cfg,
                     const struct topology *topology, const struct plant_cfg *plant,
                     const struct cfg *src_locs, const char *prefix)
{
    struct guides made = {
        .n_services = topology->n_services, .n_agents = cfg->n_agents, .alpha = plant->alpha};
    struct compiler c = {.g = &made, .src_locs = src_locs, .prefix = prefix};
    if (plant->alpha > GUIDES_ALPHA_MAX) {
        return plant_cfg_error(src_locs, "plant.alpha", "%d; with an organisation at most %d",
                               plant->alpha, GUIDES_ALPHA_MAX);
    }
    TRY(org_init(&made.org, arena, cfg, src_locs, prefix));
    TRY(expr_init(&made.program, arena, topology, plant));
    TRY(compile_definitions(&c));
    TRY(compile_rules(&c, arena));
    TRY(compile_goals(&c, arena));
    TRY(list_hardness(&made, arena));
    TRY(check_agents(&c, arena));
    *g = made;
    return ERR_OK;
}

/* ---- memory ---- */

/* `became` shares an allocation with `achieved`, and `in_force_before` with `in_force`:
 * guides_clear() sets each pair at once. */
enum err guides_memory_init(struct guides_memory *m, struct arena *arena, const struct guides *g)
{
    const struct org_cfg *cfg = g->org.cfg;
    struct guides_memory made = {
        .values = ARENA_NEW(arena, g->program.n_values, double),
        .memory = ARENA_NEW(arena, g->program.n_memory, double),
        .allowed = ARENA_NEW(arena, g->n_agents * g->n_services, uint32_t),
        .term = ARENA_NEW(arena, cfg->n_goals, double),
        .achieved = ARENA_NEW(arena, 2 * cfg->n_goals, uint8_t),
        .in_force = ARENA_NEW(arena, 2 * cfg->n_norms, uint8_t),
    };
    TRY(arena_error(arena));
    made.became = made.achieved + cfg->n_goals;
    made.in_force_before = made.in_force + cfg->n_norms;
    *m = made;
    guides_clear(m, g);
    return ERR_OK;
}

/* values, allowed and term need no clearing: each update writes them before anyone reads them. */
void guides_clear(struct guides_memory *m, const struct guides *g)
{
    memset(m->memory, 0, (size_t)g->program.n_memory * sizeof *m->memory);
    memset(m->in_force, 0, 2 * (size_t)g->org.cfg->n_norms);
    memset(m->achieved, 0, 2 * (size_t)g->org.cfg->n_goals);
    m->t = 0;
}

/* ---- one decision ---- */

static double value(const struct guides_memory *m, const struct guides *g, int step, int service)
{
    return expr_value(&g->program, m->values, step, service);
}

/* allowed = {no change}, united with the changes of every rule that holds now. A union does not
 * depend on the order of the rules, and a rule can only add, so no role takes away what another one
 * allows. */
static void update_masks(struct guides_memory *m, const struct guides *g)
{
    for (int i = 0; i < g->n_agents * g->n_services; i++) {
        m->allowed[i] = UINT32_C(1) << g->alpha;
    }
    for (int k = 0; k < g->n_rules; k++) {
        const struct guides_rule *r = &g->rules[k];
        if (value(m, g, r->when, 0) == 0.0) {
            continue;
        }
        for (int s = 0; s < g->n_services; s++) {
            if (value(m, g, r->on, s) == 0.0) {
                continue;
            }
            for (int a = 0; a < g->n_agents; a++) {
                m->allowed[a * g->n_services + s] |=
                    (g->org.agent_is[a] >> r->role & 1U) != 0 ? r->bits : 0U;
            }
        }
    }
}

/* -loss / divisor, cut to [-1, 0]; 0 if the divisor is 0, like every division of the language. */
static double term_of(double loss, double divisor)
{
    const double x = divisor == 0.0 ? 0.0 : -loss / divisor;
    return x < -1.0 ? -1.0 : x > 0.0 ? 0.0 : x;
}

/* `became` is true at the one decision at which a goal turns from not achieved to achieved. The
 * first decision (t = 0) has no decision before it, so a goal that the first state already achieves
 * pays no bonus. */
static void update_goals(struct guides_memory *m, const struct guides *g)
{
    for (int j = 0; j < g->org.cfg->n_goals; j++) {
        const struct guides_goal *goal = &g->goals[j];
        const bool now = value(m, g, goal->achieved, 0) != 0.0;
        m->term[j] = term_of(value(m, g, goal->loss, 0), value(m, g, goal->divisor, 0));
        m->became[j] = now && m->achieved[j] == 0 && m->t > 0;
        m->achieved[j] = now;
    }
}

/* A step is paid under the norms in force at the decision at which the agent chose. When its reward
 * is asked for, the next update is already done, so that decision is `in_force_before`. */
static void update_norms(struct guides_memory *m, const struct guides *g)
{
    for (int i = 0; i < g->org.cfg->n_norms; i++) {
        m->in_force_before[i] = m->in_force[i];
        m->in_force[i] =
            org_norm_covers(&g->org.cfg->norms[i], m->t) && value(m, g, g->norm_when[i], 0) != 0.0;
    }
}

/* The three updates read the values of this run only. t counts on at the end: until then it is the
 * number of this decision, which norms with an interval compare. */
void guides_update(struct guides_memory *m, const struct guides *g, const float *state)
{
    expr_run(m->values, m->memory, &g->program, state, m->t);
    update_masks(m, g);
    update_goals(m, g);
    update_norms(m, g);
    m->t++;
}

/* The set of each service contains 'no change', which is counted once for all services. */
int guides_mask_size(const struct guides_memory *m, const struct guides *g, int agent)
{
    const uint32_t *allowed = guides_allowed(m, g, agent);
    int n = 1;
    for (int s = 0; s < g->n_services; s++) {
        n += __builtin_popcount(allowed[s]) - 1;
    }
    return n;
}

/* ---- reward ---- */

/* 1 / (1 - p + eps) of the strongest norm in force (n_norms) that binds the agent to the mission;
 * see guides.h. With eps = 1 that is 1 for an obligation and 1/2 for a permission. Norms do not add
 * up, so the weight stays in [0, 1]; 0: the agent is bound by none. */
static double mission_weight(const uint8_t *in_force, const struct guides *g, int agent,
                             int mission)
{
    const double eps = 1.0;
    double greatest = 0.0;
    for (int i = 0; i < g->org.cfg->n_norms; i++) {
        if (in_force[i] != 0 && g->org.norm_mission[i] == mission &&
            org_norm_binds(&g->org, i, agent)) {
            const double p = g->org.cfg->norms[i].kind == ORG_OBLIGATION ? 1.0 : 0.0;
            const double w = 1.0 / (1.0 - p + eps);
            greatest = w > greatest ? w : greatest;
        }
    }
    return greatest;
}

/* The sums of guides.h in the order of the configuration, so their bits do not depend on anything
 * else. The terms of a mission lie in [-1, 0] and their weights sum to at most 1 (org.c checks it),
 * so each mission adds a value in [-kappa, 0]. Bonuses are not scaled by kappa. */
void guides_reward(struct guides_reward *out, const struct guides_memory *m, const struct guides *g,
                   int agent, bool inside)
{
    const struct org_cfg *cfg = g->org.cfg;
    *out =
        (struct guides_reward){0.0, 0.0, inside ? 0.0 : -(1.0 - g->hardness[agent]) * cfg->penalty};
    for (int k = 0; k < cfg->n_missions; k++) {
        const double w = mission_weight(m->in_force_before, g, agent, k);
        double term = 0.0, bonus = 0.0;
        for (int i = 0; w > 0.0 && i < cfg->missions[k].n_goals; i++) {
            const int j = g->org.goal[g->org.goal_begin[k] + i];
            const double share = cfg->missions[k].goals[i].weight;
            term += share * m->term[j];
            bonus += m->became[j] != 0 ? share * cfg->goals[j].bonus : 0.0;
        }
        out->mission += cfg->mission_weight * w * term;
        out->bonus += w * bonus;
    }
}

double guides_progress(const struct guides_memory *m, const struct guides *g, int agent)
{
    const struct org_cfg *cfg = g->org.cfg;
    double sum = 0.0;
    for (int k = 0; k < cfg->n_missions; k++) {
        const double w = mission_weight(m->in_force, g, agent, k);
        for (int i = 0; w > 0.0 && i < cfg->missions[k].n_goals; i++) {
            const int j = g->org.goal[g->org.goal_begin[k] + i];
            sum += w * cfg->missions[k].goals[i].weight * m->term[j];
        }
    }
    return sum;
}

/* ---- what an agent looks at ---- */

/* The columns that steps read, themselves or through their operands; read[step]: it is one of them.
 * Operands are earlier steps, so one walk from the last step to the first meets every step before
 * its operands, and looks once at a step that is an operand of many. A reduction reads its operand
 * for all services, and a wide feature marks all services, too. */
static void mark_columns(uint8_t *columns, const struct guides *g, bool *read)
{
    for (int step = g->program.n_code - 1; step >= 0; step--) {
        const struct expr_step *s = &g->program.code[step];
        if (!read[step]) {
            continue;
        }
        if (s->op == EXPR_COLUMN) {
            columns[s->of] = 1;
        }
        for (int i = 0; s->op == EXPR_FEATURE && i < g->n_services; i++) {
            columns[state_service_at(i, (enum service_feature)s->of)] = 1;
        }
        if (s->a >= 0) {
            read[s->a] = true;
        }
        if (s->b >= 0) {
            read[s->b] = true;
        }
    }
}

static void read_mission(bool *read, const struct guides *g, int mission)
{
    for (int i = 0; i < g->org.cfg->missions[mission].n_goals; i++) {
        const struct guides_goal *goal = &g->goals[g->org.goal[g->org.goal_begin[mission] + i]];
        read[goal->loss] = true;
        read[goal->divisor] = true;
        read[goal->achieved] = true;
    }
}

/* Norms count whether or not they are in force: what an agent sees must not change in an episode.
 */
void guides_reads(uint8_t *columns, const struct guides *g, int agent)
{
    bool read[EXPR_CODE_MAX] = {false};
    for (int k = 0; k < g->n_rules; k++) {
        if ((g->org.agent_is[agent] >> g->rules[k].role & 1U) != 0) {
            read[g->rules[k].when] = true;
            read[g->rules[k].on] = true;
        }
    }
    for (int i = 0; i < g->org.cfg->n_norms; i++) {
        if (org_norm_binds(&g->org, i, agent)) {
            read[g->norm_when[i]] = true;
            read_mission(read, g, g->org.norm_mission[i]);
        }
    }
    mark_columns(columns, g, read);
}
