/* From what may happen to what does happen.
 *
 * Each generator of a scenario is a stream of events of its own: event k is a pure function of
 * (generator, k, episode identity). The streams are merged by start time, so the list is sorted and
 * a full list lacks the latest events only. Followers come after: event k of a follower belongs to
 * event k of its leader, and is inserted where its start belongs.
 */
#include "core/scenario/schedule.h"

#include <math.h>
#include <string.h>

/* First coordinate of a draw of RNG_SCENARIO: two blocks for each generator, and a third for what
 * only some kinds need. */
enum { DRAWS_MORE = 64 };

enum err schedule_init(struct schedule *s, struct arena *arena, int max_seconds)
{
    float *rates = ARENA_NEW(arena, 3 * (size_t)max_seconds, float);
    TRY(arena_error(arena));
    *s = (struct schedule){.max_seconds = max_seconds,
                           .legit_rps = rates,
                           .attack_rps = rates + max_seconds,
                           .attack_excess = rates + 2 * (size_t)max_seconds,
                           .onset_s = -1.0};
    return ERR_OK;
}

/* ---- drawing one event ---- */

static double within(const struct range_cfg *r, uint32_t v)
{
    return r->lo + (r->hi - r->lo) * ((double)v * 0x1p-32);
}

static double share_of(uint32_t v)
{
    return (double)v * 0x1p-32;
}

/* Event `number` of generator g, and the blocks it is made of. */
struct event_draw {
    struct rng_block first, second, more;
};

static struct event_draw event_draws(const struct episode_id *id, int g, uint32_t number)
{
    /* Generators g < 16 use the coordinates 2g and 2g + 1, below DRAWS_MORE, and DRAWS_MORE + g.
     * No two of them meet, so an event is independent of all others and of how many were drawn
     * before. */
    struct rng_key key = rng_key(id->seed, RNG_SCENARIO, id->split);
    uint32_t a = 2 * (uint32_t)g;
    return (struct event_draw){
        .first = rng_philox(key, a, number, id->episode, id->env),
        .second = rng_philox(key, a + 1, number, id->episode, id->env),
        .more = rng_philox(key, DRAWS_MORE + (uint32_t)g, number, id->episode, id->env),
    };
}

static bool link_fits(const struct scenario_target *t, int caller, int callee)
{
    return (t->service < 0 || t->service == caller) && (t->callee < 0 || t->callee == callee);
}

/* One of the links that fit the target, each as likely: the first pass counts them (at least one,
 * see scenario_check.c), the second takes the one with the drawn number. What the target says is
 * kept. */
static void draw_link(struct event *e, const struct scenario_target *t, const struct topology *top,
                      uint32_t word)
{
    int n = 0;
    for (int s = 0; s < top->n_services; s++) {
        for (int i = top->callee_begin[s]; i < top->callee_begin[s + 1]; i++) {
            n += link_fits(t, s, top->callee[i]);
        }
    }
    int chosen = (int)rng_below(word, (uint32_t)n);
    for (int s = 0; s < top->n_services; s++) {
        for (int i = top->callee_begin[s]; i < top->callee_begin[s + 1]; i++) {
            if (link_fits(t, s, top->callee[i]) && chosen-- == 0) {
                e->service = t->service == SCENARIO_DRAWN ? s : t->service;
                e->callee = t->callee == SCENARIO_DRAWN ? top->callee[i] : t->callee;
            }
        }
    }
}

static void draw_target(struct event *e, const struct scenario *scenario, int g,
                        const struct event_draw *d)
{
    const struct scenario_target *t = &scenario->targets[g];
    const struct topology *topology = scenario->topology;
    e->service = t->service;
    e->callee = t->callee;
    if (event_kind_info[e->kind].hits == HITS_LINK) {
        draw_link(e, t, topology, d->second.v[2]);
    } else if (t->service == SCENARIO_DRAWN) {
        e->service = (int)rng_below(d->second.v[1], (uint32_t)topology->n_services);
    }
}

/* Everything but the start. */
static struct event event_draw(const struct scenario *scenario, int g, uint32_t number,
                               const struct event_draw *d)
{
    const struct event_cfg *cfg = &scenario->cfg->events[g];
    struct event e = {
        .kind = (enum event_kind)cfg->kind,
        .ramp_s = within(&cfg->ramp_s, d->first.v[1]),
        .duration_s = within(&cfg->duration_s, d->first.v[2]),
        .magnitude = within(&cfg->magnitude, d->first.v[3]),
        .generator = g,
        .number = number,
    };
    draw_target(&e, scenario, g, d);
    if (e.kind == EVENT_YOYO) {
        e.on_s = within(&cfg->on_s, d->more.v[0]);
        e.off_s = within(&cfg->off_s, d->more.v[1]);
    } else if (e.kind == EVENT_LORIS) {
        e.hold_s = within(&cfg->hold_s, d->more.v[0]);
    } else if (e.kind == EVENT_COST) {
        e.rate = within(&cfg->rate, d->more.v[0]);
    } else if (e.kind == EVENT_CRASH_ALL) {
        e.ramp_s = 0.0;
        e.duration_s = EVENT_INSTANT_S;
    }
    return e;
}

/* ---- generators with a clock of their own ---- */

/* Event `number` of generator g, its quiet time counted from `from_s`. */
static struct event next_event(const struct scenario *scenario, const struct episode_id *id, int g,
                               uint32_t number, double from_s)
{
    struct event_draw d = event_draws(id, g, number);
    struct event e = event_draw(scenario, g, number, &d);
    double quiet_s = within(&scenario->cfg->events[g].quiet_s, d.first.v[0]);
    if (number == 0) {
        quiet_s *= share_of(d.second.v[0]); /* as if the generator had always been running */
    }
    e.start_s = from_s + quiet_s;
    return e;
}

/* The event that starts first; the first of equals. */
static int earliest(const struct event *next, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++) {
        if (next[i].start_s < next[best].start_s) {
            best = i;
        }
    }
    return best;
}

static void draw_leaders(struct schedule *s, const struct scenario *scenario,
                         const struct episode_id *id)
{
    /* Merge of sorted streams: events of one generator follow each other in time, so the earliest
     * of the heads is the earliest of all that are left. The list comes out sorted by start. The
     * loop ends, because an event and its quiet time last at least a second each (scenario.c),
     * except that the first quiet time may be 0. */
    struct event next[SCENARIO_EVENTS_MAX]; /* of each generator */
    int n = 0;
    CHECK(scenario->cfg->n_events <= SCENARIO_EVENTS_MAX);
    for (int g = 0; g < scenario->cfg->n_events; g++) {
        if (scenario->targets[g].leader == SCENARIO_LEADS_ITSELF) {
            next[n++] = next_event(scenario, id, g, 0, 0.0);
        }
    }
    s->n_events = 0;
    while (n > 0 && s->n_events < SCHEDULE_EVENTS_MAX) {
        struct event *first = &next[earliest(next, n)];
        if (first->start_s >= s->n_seconds) {
            break;
        }
        s->events[s->n_events++] = *first;
        *first = next_event(scenario, id, first->generator, first->number + 1, event_end(first));
    }
}

/* ---- followers ---- */

/* Behind all that do not start later; a full list loses the event that starts last, which may be
 * the new one. */
static void insert(struct schedule *s, const struct event *e)
{
    /* Insertion into the sorted list: later events move one place up. schedule_check_length() keeps
     * scenarios from filling it. */
    const bool full = s->n_events == SCHEDULE_EVENTS_MAX;
    if (full && s->events[s->n_events - 1].start_s <= e->start_s) {
        return;
    }
    int i = full ? SCHEDULE_EVENTS_MAX - 1 : s->n_events++;
    for (; i > 0 && s->events[i - 1].start_s > e->start_s; i--) {
        s->events[i] = s->events[i - 1];
    }
    s->events[i] = *e;
}

static void draw_followers(struct schedule *s, const struct scenario *scenario,
                           const struct episode_id *id, int g)
{
    const struct event_cfg *cfg = &scenario->cfg->events[g];
    /* Collected first and inserted afterwards, because an insertion moves the leaders that are
     * walked over. Event k of a follower has the number k of its leader's event and draws by it.
     * Whether another event is followed does not change what this one is. */
    struct event found[SCHEDULE_EVENTS_MAX];
    int n = 0;
    for (int i = 0; i < s->n_events; i++) {
        const struct event *leader = &s->events[i];
        if (leader->generator != scenario->targets[g].leader) {
            continue;
        }
        struct event_draw d = event_draws(id, g, leader->number);
        struct event e = event_draw(scenario, g, leader->number, &d);
        e.start_s = leader->start_s + within(&cfg->delay_s, d.more.v[2]);
        if (share_of(d.more.v[3]) < cfg->probability && e.start_s < s->n_seconds) {
            found[n++] = e;
        }
    }
    for (int i = 0; i < n; i++) {
        insert(s, &found[i]);
    }
}

/* ---- the attacker's requests ---- */

/* The rate of a second is the one at its middle. `excess` collects requests x CPU beyond normal. */
static void add_attack(struct schedule *s, const struct event *e)
{
    double end_s = event_end(e);
    for (int t = (int)e->start_s; t < s->n_seconds && t < end_s; t++) {
        double rps = s->mean_rps * event_requests(e, t + 0.5);
        s->attack_rps[t] += (float)rps;
        if (e->kind == EVENT_COST) {
            s->attack_excess[t] += (float)(rps * (e->magnitude - 1.0));
        }
    }
}

static void draw_attacks(struct schedule *s)
{
    size_t bytes = (size_t)s->n_seconds * sizeof *s->attack_rps;
    memset(s->attack_rps, 0, bytes);
    memset(s->attack_excess, 0, bytes);
    for (int i = 0; i < s->n_events; i++) {
        enum event_kind kind = s->events[i].kind;
        if (kind == EVENT_DDOS || kind == EVENT_YOYO || kind == EVENT_COST) {
            add_attack(s, &s->events[i]);
        }
    }
    /* From a sum of rate x excess to the mean excess of a request. attack_rps is above 0 there:
     * each term of the sum has added its rate, and the magnitude of a cost is at least 1. */
    for (int t = 0; t < s->n_seconds; t++) {
        if (s->attack_excess[t] > 0.0f) {
            s->attack_excess[t] /= s->attack_rps[t];
        }
    }
}

enum err schedule_check_length(const struct scenario *s, int n_seconds, const char *key,
                               const struct cfg *src_locs)
{
    /* An upper bound. Before event k (from 0) of a generator there are k events and k full quiet
     * times; only the quiet time before event 0 is cut, possibly to 0. So k
     * (quiet + shortest) < n_seconds for every event that starts in the episode. A follower has at
     * most as many events as its leader, which stands before it in the list. */
    double n_of[SCENARIO_EVENTS_MAX], n_events = 0.0;
    for (int i = 0; i < s->cfg->n_events; i++) {
        const struct event_cfg *e = &s->cfg->events[i];
        double shortest = e->duration_s.lo + e->ramp_s.lo;
        shortest = e->kind == EVENT_CRASH_ALL ? EVENT_INSTANT_S : shortest;
        int leader = s->targets[i].leader;
        n_of[i] = leader == SCENARIO_LEADS_ITSELF
                      ? 1.0 + floor(n_seconds / (e->quiet_s.lo + shortest))
                      : n_of[leader];
        n_events += n_of[i];
    }
    if (n_events <= SCHEDULE_EVENTS_MAX) {
        return ERR_OK;
    }
    return plant_cfg_error(src_locs, key,
                           "'%s' may draw %g events in an episode of %d s; at most %d are kept: "
                           "raise quiet_s.lo or shorten the episode",
                           s->cfg->name, n_events, n_seconds, SCHEDULE_EVENTS_MAX);
}

void schedule_draw_ahead(struct schedule *s, const struct scenario *scenario,
                         const struct episode_id *id, int n_seconds, int ahead_s)
{
    /* Nothing that is drawn depends on how far: loads are drawn second by second, events by their
     * numbers, and later ones change no earlier second. */
    CHECK(n_seconds + ahead_s <= s->max_seconds);
    s->n_seconds = n_seconds + ahead_s;
    s->node_cpu_m = scenario->topology->cfg->node_cpu_m;
    s->mean_rps = scenario->workload->cfg->mean_rps;
    workload_draw_ahead(s->legit_rps, scenario->workload, id, n_seconds, ahead_s);
    draw_leaders(s, scenario, id);
    for (int g = 0; g < scenario->cfg->n_events; g++) {
        if (scenario->targets[g].leader != SCENARIO_LEADS_ITSELF) {
            draw_followers(s, scenario, id, g);
        }
    }
    s->onset_s = s->n_events > 0 ? s->events[0].start_s : -1.0;
    draw_attacks(s);
}

void schedule_draw(struct schedule *s, const struct scenario *scenario, const struct episode_id *id,
                   int n_seconds)
{
    schedule_draw_ahead(s, scenario, id, n_seconds, 0);
}

/* ---- means over a decision period ---- */

double schedule_load(const struct schedule *s, double *legit_share, int period, double period_s)
{
    double legit = 0.0, all = 0.0;
    int n = 0;
    for (int u = (int)(period * period_s); u < (period + 1) * period_s; u++, n++) {
        /* Behind the end the last second goes on. */
        const int second = u < s->n_seconds ? u : s->n_seconds - 1;
        legit += (double)s->legit_rps[second];
        all += (double)s->legit_rps[second] + (double)s->attack_rps[second];
    }
    if (legit_share != NULL) {
        *legit_share = all > 0.0 ? legit / all : 1.0;
    }
    return all / n;
}
