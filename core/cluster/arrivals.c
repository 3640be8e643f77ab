/* When requests arrive: two Poisson streams, legitimate clients and the attacker.
 *
 * Arrival n comes when the integral of the rate since arrival n-1 reaches a unit exponential E_n.
 * Rates are held per second, so the inversion is exact. E_n is a function of (episode, n) only:
 * every controller meets the same arrivals, whatever it does. With closed clients the legitimate
 * stream is silent: users send their requests themselves (clients.c), and its rate says how many
 * there are.
 */
#include "core/cluster/internal.h"

/* The next increments: number n is word n % 4 of block n / 4. */
static void stream_draw(const struct sim *s, struct sim_stream *a)
{
    uint32_t blocks[RNG_LANES], zeros[RNG_LANES] = {0}, word[4][RNG_LANES];
    double increments[RNG_LANES];
    for (uint32_t i = 0; i < RNG_LANES; i++) {
        blocks[i] = a->n / 4 + i;
    }
    rng_philox_lanes(word, a->key, blocks, zeros, s->id.episode, s->id.env);
    for (int w = 0; w < 4; w++) {
        rng_exponential_lanes(increments, word[w]);
        for (int i = 0; i < RNG_LANES; i++) {
            a->increments[4 * i + w] = increments[i];
        }
    }
}

static double stream_increment(const struct sim *s, struct sim_stream *a)
{
    if (a->n % SIM_INCREMENTS == 0) {
        stream_draw(s, a);
    }
    return a->increments[a->n % SIM_INCREMENTS];
}

static void stream_aim(struct sim_stream *a)
{
    a->next_s = a->rate > 0.0 ? a->since_s + a->left / a->rate : SIM_NEVER;
    if (a->next_s > a->rate_until_s || a->silent) {
        a->next_s = SIM_NEVER;
    }
}

void sim_stream_advance(const struct sim *s, struct sim_stream *a)
{
    a->since_s = a->next_s;
    a->n++;
    a->left = stream_increment(s, a);
    stream_aim(a);
}

/* After the schedule its last second's rate holds. Before 0 the legitimate rate is that of the
 * first second, and nobody attacks: the warm-up is quiet. */
static double scheduled_rate(const struct schedule *schedule, const float *rps, int64_t second)
{
    int64_t last = schedule->n_seconds - 1;
    int64_t i = second < 0 ? 0 : second > last ? last : second;
    bool quiet = second < 0 && rps != schedule->legit_rps;
    return last < 0 || quiet ? 0.0 : (double)rps[i];
}

/* CPU that an attack request needs beyond a legitimate one: the schedule's mean over its own
 * `scheduled` requests/s, thinned by those of the learned attacker, whose own is left out. */
static double attack_excess(const struct sim *s, int64_t second, double scheduled)
{
    double all = scheduled + s->extra_total;
    double excess = scheduled_rate(s->schedule, s->schedule->attack_excess, second);
    return all > 0.0 ? excess * scheduled / all : 0.0;
}

/* The same of the learned attacker, thinned by the requests of the schedule. */
static double learned_excess(const struct sim *s, double scheduled)
{
    double all = scheduled + s->extra_total;
    return all > 0.0 ? (s->attacker.cost - 1.0) * s->extra_total / all : 0.0;
}

void sim_stream_set_rate(const struct sim *s, struct sim_stream *a, double now)
{
    const struct schedule *schedule = s->schedule;
    bool attack = a->bit != 0;
    double passed = a->rate * (now - a->since_s);
    int64_t second = (int64_t)floor(now);
    a->left = a->left > passed ? a->left - passed : 0.0;
    a->since_s = now;
    a->rate = scheduled_rate(schedule, attack ? schedule->attack_rps : schedule->legit_rps, second);
    a->plain_work = attack ? 1.0 + attack_excess(s, second, a->rate) : 1.0;
    a->work = a->plain_work + (attack ? learned_excess(s, a->rate) : 0.0);
    a->rate += attack ? s->extra_total : 0.0;
    a->rate_until_s = (double)(second < 0 ? 0 : second + 1);
    stream_aim(a);
}

static void stream_start(struct sim *s, struct sim_stream *a, enum rng_domain domain, uint32_t bit)
{
    *a = (struct sim_stream){
        .key = rng_key(s->id.seed, domain, s->id.split),
        .bit = bit,
        .silent = bit == 0 && s->shared->cfg->clients.kind == CLIENT_CLOSED,
        .since_s = s->now,
    };
    a->left = stream_increment(s, a);
    sim_stream_set_rate(s, a, s->now);
}

void sim_streams_start(struct sim *s)
{
    const struct schedule *schedule = s->schedule;
    attacker_start(&s->attacker, s->extra_rps, s->conn_rps, s->shared->topology->n_entries,
                   s->shared->plant, attacker_nominal(schedule), schedule->n_seconds);
    s->extra_total = 0.0;
    stream_start(s, &s->legit, RNG_ARRIVAL_LEGIT, 0);
    stream_start(s, &s->attack, RNG_ARRIVAL_ATTACK, SIM_ATTACK_BIT);
}

void sim_attack(struct sim *s, const struct attack_action *attack)
{
    const double room =
        attacker_room(s->schedule, s->shared->plant, s->shared->topology, s->period);
    bool changed = attacker_load(&s->attacker, attack, s->shared->plant, room);
    s->extra_total = s->attacker.extra_total;
    if (attacker_cost(&s->attacker, attack, s->shared->plant, room)) {
        s->attack.costly_from = s->attack.n;
        changed = true;
    }
    sim_loris_attack(s, attack, room);
    if (changed) {
        sim_stream_set_rate(s, &s->attack, s->now);
    }
    if (attack != NULL && attack->data_change > 0) {
        struct sim_service *service = &s->services[s->shared->topology->entries[attack->entry]];
        service->attacked_p = attacker_crash(&s->attacker, attack, service->attacked_p);
        sim_disturbances_wake(s);
    }
}
