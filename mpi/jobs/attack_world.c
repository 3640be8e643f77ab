/* The world and the budget. See attack_world.h. */
#include "mpi/jobs/attack_world.h"

#include "core/base/fmath.h"
#include "core/base/log.h"
#include "core/base/nearest.h"
#include "core/scenario/attacker.h"

#include <string.h>

static enum err find_scenario(int *out, const struct attack_world *w, const char *name,
                              const char *key)
{
    const struct experiment_cfg *c = &w->x->cfg;
    struct nearest near = nearest_to(name);
    for (int s = 0; s < c->n_scenarios; s++) {
        const bool found = name[0] != '\0' ? strcmp(c->scenarios[s].name, name) == 0
                                           : c->scenarios[s].n_events == 0;
        if (found) {
            *out = s;
            return ERR_OK;
        }
        nearest_offer(&near, c->scenarios[s].name);
    }
    if (name[0] == '\0') {
        return cfg_error(&w->x->reader, key,
                         "is empty, and no scenario is without events; add one, {name: quiet}, or "
                         "name the scenario in which the attackers act");
    }
    const char *word = nearest_word(&near);
    return word != NULL ? cfg_error(&w->x->reader, key,
                                    "is '%s', which is no scenario; did you mean '%s'?", name, word)
                        : cfg_error(&w->x->reader, key,
                                    "is '%s', which is no scenario; the first one is '%s'", name,
                                    c->scenarios[0].name);
}

/* Crash probability per minute x minutes at the entries' services, in one episode. */
static double crash_minutes(const struct schedule *s, const struct topology *t)
{
    double sum = 0.0;
    for (int second = 0; second < s->n_seconds; second++) {
        for (int k = 0; k < t->n_entries; k++) {
            const double rate = schedule_crash_rate(s, t->entries[k], second + 0.5);
            sum += (1.0 - fm_exp(-60.0 * rate)) / 60.0;
        }
    }
    return sum;
}

/* Rates of a second are those at its middle, as in schedule.c. */
struct attack_budget attack_world_scripted(const struct schedule *s, const struct topology *t)
{
    const double legit = attacker_nominal(s) * s->n_seconds;
    struct attack_budget sum = {.crashes = crash_minutes(s, t)};
    double hold_s = 0.0;
    for (int second = 0; second < s->n_seconds; second++) {
        const double requests = (double)s->attack_rps[second];
        sum.requests += requests;
        sum.work += requests * (double)s->attack_excess[second];
        sum.connections += schedule_loris(s, second + 0.5, &hold_s);
    }
    sum.requests /= legit;
    sum.work /= legit;
    sum.connections /= legit;
    return sum;
}

/* exploit.budget: the mean attack of that scenario. */
static enum err take_budget(struct attack_world *w, struct arena *arena, const struct comm *comm)
{
    const struct experiment_cfg *c = &w->x->cfg;
    const struct env_setup *env = &w->x->env_setup;
    struct schedule s;
    int scenario;
    struct attack_budget mean = {0};
    w->plant = c->plant;
    if (c->exploit.budget[0] == '\0') {
        return ERR_OK;
    }
    TRY(find_scenario(&scenario, w, c->exploit.budget, "exploit.budget"));
    TRY(schedule_init(&s, arena, env->n_seconds));
    for (uint32_t i = 0; i < BUDGET_EPISODES; i++) {
        const struct episode_id id = {.seed = c->eval.seed, .split = RNG_TRAIN, .env = i};
        schedule_draw(&s, &env->scenarios[scenario], &id, env->n_seconds);
        const struct attack_budget one = attack_world_scripted(&s, &env->topology);
        mean.requests += one.requests / BUDGET_EPISODES;
        mean.crashes += one.crashes / BUDGET_EPISODES;
        mean.connections += one.connections / BUDGET_EPISODES;
        mean.work += one.work / BUDGET_EPISODES;
    }
    w->plant.attack_requests = mean.requests;
    w->plant.attack_crashes = mean.crashes;
    w->plant.attack_connections = mean.connections;
    w->plant.attack_work = mean.work;
    if (comm->rank == 0) {
        log_info("budget of an attacker, as scenario '%s': %.3f requests, %.3f slow-loris "
                 "connections and additional CPU of %.3f requests for each legitimate request; "
                 "%.3f crashes of a pod under attack",
                 c->exploit.budget, mean.requests, mean.connections, mean.work, mean.crashes);
    }
    return ERR_OK;
}

static enum err refuse_between(const struct attack_world *w, const char *what)
{
    const struct eval_cfg *eval = &w->x->cfg.eval;
    if (eval->shield || eval->lie.kind != LIE_NONE) {
        return cfg_error(&w->x->reader, eval->shield ? "eval.shield" : "eval.lie.kind",
                         "is set, but %s trains attackers against controllers without "
                         "a shield that see the truth; leave it out",
                         what);
    }
    return eval->plant == PLANT_KIND_CLUSTER
               ? ERR_OK
               : cfg_error(&w->x->reader, "eval.plant",
                           "is twin, but %s plays on the simulator; set it to cluster", what);
}

static enum err init_places(struct attack_world *w, struct arena *arena)
{
    struct experiment *x = w->x;
    struct env_setup_cfg parts = x->env_setup.cfg;
    parts.cluster = &x->cfg.cluster;
    parts.plant = &w->plant;
    parts.twin = NULL;
    TRY(env_setup_init(&w->all, arena, &parts, &x->reader));
    parts.twin = &x->cfg.twin;
    parts.scenarios = &x->cfg.scenarios[w->scenario];
    parts.n_scenarios = 1;
    TRY(env_setup_init(&w->train, arena, &parts, &x->reader));
    TRY(env_setup_load_twin(&w->train, arena, &x->reader));
    if (w->train.unknown != NULL) {
        return cfg_error(&x->reader, "twin.file",
                         "is %s, the twin of a recording, which has no exact counters to pay an "
                         "attacker by; leave it out to train on the simulator",
                         x->cfg.twin.file);
    }
    return ERR_OK;
}

enum err attack_world_init(struct attack_world *w, struct arena *arena, const struct comm *comm,
                           struct experiment *x, const char *what)
{
    const struct experiment_cfg *c = &x->cfg;
    *w = (struct attack_world){.x = x};
    TRY(refuse_between(w, what));
    TRY(find_scenario(&w->scenario, w, c->exploit.world, "exploit.world"));
    TRY(take_budget(w, arena, comm));
    TRY(init_places(w, arena));
    TRY(attacker_interface_init(&w->attacker, arena, &c->attacker, &w->train, &x->reader));
    const char *const *columns = attacker_interface_columns(&w->attacker, arena);
    TRY(columns == NULL ? ERR_MEMORY : ERR_OK);
    (void)attacker_source_learner(&w->source, &c->attacker, &c->team, &c->mappo, false, columns);
    return ERR_OK;
}

const char *attack_world_budget(const struct attack_world *w, struct arena *arena)
{
    const struct plant_cfg *p = &w->plant;
    const bool *has = w->attacker.has;
    const char *text = arena_printf(arena, "%.3f requests / legitimate", p->attack_requests);
    if (has[ATTACKER_CRASH] && text != NULL) {
        text = arena_printf(arena, "%s, %.3f crashes", text, p->attack_crashes);
    }
    if (has[ATTACKER_LORIS] && text != NULL) {
        text = arena_printf(arena, "%s, %.3f connections / legitimate request", text,
                            p->attack_connections);
    }
    if (has[ATTACKER_COST] && text != NULL) {
        text = arena_printf(arena, "%s, CPU of %.3f requests in addition / legitimate", text,
                            p->attack_work);
    }
    return text != NULL ? text : "";
}
