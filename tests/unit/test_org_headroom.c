/* Whether the hard masks of KARMA leave room to win: rules that know what to do, played by a team
 * inside its masks, on the floods that controllers are compared on (DEV episodes).
 *
 * The headroom of a rule is what it answers in time beyond doing nothing, when four agents carry it
 * out with one change each and no masks. Inside the masks at least 97 % of it must remain: else the
 * roles forbid what is needed, and no learning can help. Feed-forward staffing sees what agents
 * see; the oracle also acts before a flood can be seen. The masks of lean.yaml open when a flood is
 * measured, so of the oracle's headroom 93 % must remain there.
 *
 *   ORGANISATION=FILE EPISODES=40 build/default/tests/unit/test_org_headroom    of another file
 */
#include "tests/unit/org_fixture.h"

#include "core/controllers/kinds.h"
#include "core/eval/episode.h"
#include "mpi/jobs/experiment.h"

#include <stdlib.h>

enum { AGENTS = 4 };

enum play { ALONE, TEAM, MASKED };

/* Masks, and the game that they are made for. */
struct masks {
    const char *file;
    const char *alpha;       /* setting of plant.alpha */
    bool own;                /* each agent has a service of its own; else it may choose one */
    double of_ff, of_oracle; /* least share of the headroom that remains */
    double most;             /* share of the choices that each agent's masks allow, at most */
};
static const struct masks KARMA = {
    "configs/organisations/karma.yaml", "plant.alpha=3", false, 0.97, 0.97, 0.8};
static const struct masks LEAN = {
    "configs/organisations/lean.yaml", "plant.alpha=9", true, 0.97, 0.93, 0.98};

/* A rule that a team carries out. */
struct carried {
    struct controller base;
    struct controller *rule;
    const struct guides *guides;
    struct guides_memory memory;
    enum play play;
    bool own;
    int32_t want[N_SERVICES];
    double sizes[AGENTS]; /* sums of mask sizes */
    int n;
    double vcpu; /* mean of the episodes */
};

static void carried_reset(struct controller *c, const struct episode_id *id,
                          const struct schedule *future)
{
    struct carried *k = (struct carried *)c;
    guides_clear(&k->memory, k->guides);
    controller_reset(k->rule, id, future);
}

/* The agent's change that brings delta nearest to what the rule wants; none if nothing helps. */
static void choose(int32_t *delta, const struct carried *k, int agent)
{
    int best = 0, service = 0, change = 0;
    const int first = k->own ? agent : 0, end = k->own ? agent + 1 : N_SERVICES;
    for (int s = first; s < end; s++) {
        for (int d = -k->guides->alpha; d <= k->guides->alpha; d++) {
            const int gain = abs(k->want[s] - delta[s]) - abs(k->want[s] - delta[s] - d);
            if (gain > best && abs(delta[s] + d) <= k->guides->alpha &&
                (k->play != MASKED || guides_permits(&k->memory, k->guides, agent, s, d))) {
                best = gain;
                service = s;
                change = d;
            }
        }
    }
    delta[service] += change;
}

/* Choices that the masks leave to an agent, with the choice of no change. */
static int choices(struct carried *k, int agent)
{
    if (!k->own) {
        return guides_mask_size(&k->memory, k->guides, agent);
    }
    int n = 1;
    for (int d = 1; d <= k->guides->alpha; d++) {
        n += guides_permits(&k->memory, k->guides, agent, agent, d);
        n += guides_permits(&k->memory, k->guides, agent, agent, -d);
    }
    return n;
}

static void carried_act(struct controller *c, int32_t *delta, const float *state)
{
    struct carried *k = (struct carried *)c;
    controller_act(k->rule, k->want, state);
    guides_update(&k->memory, k->guides, state);
    for (int s = 0; s < N_SERVICES; s++) {
        delta[s] = k->play == ALONE ? k->want[s] : 0;
    }
    for (int agent = 0; agent < AGENTS && k->play != ALONE; agent++) {
        choose(delta, k, agent);
        k->sizes[agent] += choices(k, agent);
    }
    k->n++;
}

static const struct controller_ops carried_ops = {.reset = carried_reset, .act = carried_act};

struct fixture {
    const struct masks *masks;
    struct experiment x;
    struct episode episode;
    struct guides guides;
    uint32_t episodes;
};

static const struct controller_cfg *find_kind(const struct experiment *x,
                                              const struct controller_kind *kind)
{
    for (int i = 0; i < x->cfg.eval.n_controllers; i++) {
        if (controller_kind(&x->cfg.eval.controllers[i]) == kind) {
            return &x->cfg.eval.controllers[i];
        }
    }
    return NULL;
}

/* Mean slo_attainment. */
static double played(struct carried *k, struct fixture *g, struct arena *arena,
                     const struct controller_kind *kind, enum play play)
{
    const struct controller_cfg *cfg = find_kind(&g->x, kind);
    assert_non_null(cfg);
    *k = (struct carried){.base = {.ops = &carried_ops,
                                   .env_setup = &g->x.env_setup,
                                   .needs = CONTROLLER_NEEDS_FORESIGHT},
                          .guides = &g->guides,
                          .play = play,
                          .own = g->masks->own};
    OK(controller_new(&k->rule, arena, cfg, &g->x.env_setup, &g->x.rules, NULL));
    OK(guides_memory_init(&k->memory, arena, &g->guides));
    double sum = 0.0;
    for (uint32_t i = 0; i < g->episodes; i++) {
        const struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = i};
        struct episode_metrics m;
        OK(episode_run(&g->episode, &m, &k->base, 0, &id, NULL));
        sum += m.slo_attainment;
        k->vcpu += m.vcpu / g->episodes;
    }
    return sum / g->episodes;
}

static bool has_room(struct fixture *g, struct arena *arena, const struct controller_kind *kind,
                     double nothing, double least)
{
    struct carried k;
    const double team = played(&k, g, arena, kind, TEAM), team_vcpu = k.vcpu;
    const double masked = played(&k, g, arena, kind, MASKED);
    const double share = (masked - nothing) / (team - nothing);
    const int all = 1 + (g->masks->own ? 1 : N_SERVICES) * 2 * g->guides.alpha;
    print_message("# %s: team %.3f at %.2f vCPU, masked %.3f at %.2f, nothing %.3f: %.1f %% of the "
                  "headroom\n",
                  kind->cfg.name, team, team_vcpu, masked, k.vcpu, nothing, 100.0 * share);
    print_message("# mean masks of %d: bottleneck %.1f, ddos %.1f, failure %.1f, resource %.1f\n",
                  all, k.sizes[0] / k.n, k.sizes[1] / k.n, k.sizes[2] / k.n, k.sizes[3] / k.n);
    bool room = team > nothing + 0.1 && share >= least;
    for (int agent = 0; agent < AGENTS; agent++) {
        room = room && k.sizes[agent] > 1.0 * k.n; /* sometimes there is a choice, */
        /* and not everything is allowed */
        room = room && k.sizes[agent] < g->masks->most * all * k.n;
    }
    return room;
}

static void leave_room(struct org_fixture *w, const struct masks *masks)
{
    static struct fixture g;
    const char *file = getenv("ORGANISATION"), *episodes = getenv("EPISODES");
    file = file != NULL ? file : masks->file;
    print_message("# %s, %s\n", file, masks->own ? "a service for each agent" : "any service");
    g.masks = masks;
    g.episodes = episodes != NULL ? (uint32_t)strtoul(episodes, NULL, 10) : 20;
    OK(cfg_load(&w->places, file, NULL, 0, &w->root));
    OK(experiment_load(&g.x, "configs/experiments/separation_ddos.yaml", &masks->alpha, 1));
    OK(guides_init(&g.guides, &w->arena, &w->root.organisation, &g.x.env_setup.topology,
                   g.x.env_setup.cfg.plant, &w->places, "organisation"));
    OK(episode_init(&g.episode, &w->arena, &g.x.env_setup));
    struct carried k;
    const double nothing = played(&k, &g, &w->arena, &controller_nothing, ALONE);
    const bool of_ff = has_room(&g, &w->arena, &controller_ff, nothing, masks->of_ff);
    const bool of_oracle = has_room(&g, &w->arena, &controller_oracle, nothing, masks->of_oracle);
    experiment_release(&g.x);
    assert_true(of_ff && of_oracle);
}

static void test_masks_leave_room(void **state)
{
    leave_room(*state, &KARMA);
}

static void test_masks_of_own_services_leave_room(void **state)
{
    leave_room(*state, &LEAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_masks_leave_room),
                                       TEST(test_masks_of_own_services_leave_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
