/* One whole MAPPO update made again from a dump, number by number: the project's outside check.
 *
 * Plain loops in double, written from the papers and from the comments of proto/update_dump.proto;
 * it shares no line with core/marl and core/nn. What it finds must agree with what the program
 * wrote, up to the rounding of the program's floats:
 *
 *   GAE                 Schulman et al. 2016, arXiv 1506.02438
 *   PPO                 Schulman et al. 2017, arXiv 1707.06347
 *   MAPPO               Yu et al. 2022, arXiv 2103.01955
 *   PopArt              van Hasselt et al. 2016, arXiv 1602.07714
 *   Adam                Kingma & Ba 2015, arXiv 1412.6980
 *
 * Taken as given: the rows and what was made of them as inputs of the networks, the actions, the
 * rewards, the values of states that are not in the batch (last_value, bootstrap_value), the
 * dealing of environments to minibatches.
 *
 * Dimensions: E environments, T steps, R = E T rows, A agents, F factors, K choices, W words of a
 * mask, P parameters.
 */
#ifndef KARMA_TESTS_CHECK_UPDATE_H
#define KARMA_TESTS_CHECK_UPDATE_H

#include "core/base/mem.h"
#include "proto/update_dump.pb-c.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Largest difference allowed, as a share of the greatest number among those compared; in brackets
 * the largest found over the tests. Of parameters it is the movement that is compared: a step of
 * Adam is the quotient of two small numbers, which makes rounding larger. */
static const double check_tolerance_logp = 2e-6;
static const double check_tolerance_value = 2e-6;
static const double check_tolerance_returns = 1e-6;
static const double check_tolerance_statistics = 1e-9;
static const double check_tolerance_loss = 1e-5;
static const double check_tolerance_params = 1e-3;

enum { CHECK_LAYERS_MAX = 16 };

/* ---- comparing ---- */

struct check_worst {
    double error, size;
};

static inline void check_note(struct check_worst *w, double mine, double theirs)
{
    const double error = fabs(mine - theirs);
    w->error = error <= w->error ? w->error : error; /* NaN stays */
    w->size = fabs(theirs) > w->size ? fabs(theirs) : w->size;
}

struct check {
    const Karma__UpdateDump *d;
    struct arena *arena;
    FILE *out; /* a line for each comparison; NULL = none */
    int failed;

    size_t E, T, R, A, F, K, W, P;
    size_t n_actors, n_views; /* views of the critic: 1 with A outputs, or A with 1 output */

    /* the blocks, one behind the other */
    double *logp, *value, *reward, *bootstrap_value; /* (R, A) */
    double *last_value;                              /* (E, A) */
    uint8_t *flag;                                   /* (R) 0 running, 1 terminated, 2 truncated */
    uint32_t *mask;                                  /* (R, A, F, W) */
    uint32_t *action;                                /* (R, A, F) */
    double *global_state;                            /* (R, n_global_state) */

    double *params, *m, *v; /* (P) the learner's state, as it moves */
    double *grads;          /* (P) */
    double *advantage;      /* (R, A) normalised */
    double *old, *target;   /* (R, A) normalised */
};

static inline void check_settle(struct check *c, const char *what, struct check_worst w,
                                double tolerance)
{
    const bool right = w.error <= tolerance * w.size; /* false for NaN */
    c->failed += !right;
    if (c->out != NULL) {
        fprintf(c->out, "%-7s %-44s %.1e of %-9.3g (allowed %.0e)\n", right ? "ok" : "WRONG", what,
                w.size > 0 ? w.error / w.size : w.error, w.size, tolerance);
    }
}

static inline void check_scalar(struct check *c, const char *what, double mine, double theirs,
                                double scale)
{
    struct check_worst w = {.size = scale};
    check_note(&w, mine, theirs);
    check_settle(c, what, w, check_tolerance_loss);
}

static inline double *check_new(struct check *c, size_t n)
{
    double *x = ARENA_NEW(c->arena, n, double);
    CHECK(x != NULL);
    return x;
}

static inline double *check_copy(struct check *c, const float *from, size_t n)
{
    double *x = check_new(c, n);
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)from[i];
    }
    return x;
}

/* ---- the blocks as plain arrays ---- */

/* The bootstrap values of truncated rows stand one after the other. */
static inline void check_spread_bootstrap_value(double *bootstrap_value, const Karma__TileBlock *b,
                                                size_t A)
{
    size_t at = 0;
    for (size_t r = 0; r < b->flag.len; r++) {
        for (size_t a = 0; a < A && b->flag.data[r] == 2; a++) {
            bootstrap_value[r * A + a] = (double)b->bootstrap_value[at++];
        }
    }
}

static inline void check_append(double *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = (double)from[i];
    }
}

static inline void check_join_blocks(struct check *c)
{
    size_t e = 0, r = 0;
    const size_t A = c->A, AF = c->A * c->F;
    for (size_t i = 0; i < c->d->n_blocks; i++) {
        const Karma__TileBlock *b = c->d->blocks[i];
        check_append(c->global_state + r * c->d->n_global_state, b->global_state,
                     b->n_global_state);
        check_append(c->logp + r * A, b->logp, b->n_logp);
        check_append(c->value + r * A, b->value, b->n_value);
        check_append(c->reward + r * A, b->reward, b->n_reward);
        check_append(c->last_value + e * A, b->last_value, b->n_last_value);
        check_spread_bootstrap_value(c->bootstrap_value + r * A, b, A);
        memcpy(c->flag + r, b->flag.data, b->flag.len);
        memcpy(c->mask + r * AF * c->W, b->mask, b->n_mask * sizeof *b->mask);
        memcpy(c->action + r * AF, b->action, b->n_action * sizeof *b->action);
        e += b->n_env;
        r += (size_t)b->n_env * b->n_steps;
    }
}

/* Are the arrays as long as the shapes say? */
static inline bool check_shapes(const struct check *c)
{
    const Karma__UpdateDump *d = c->d;
    size_t e = 0;
    for (size_t i = 0; i < d->n_blocks; i++) {
        const Karma__TileBlock *b = d->blocks[i];
        const size_t n = (size_t)b->n_env * c->T, truncated_max = n * c->A;
        e += b->n_env;
        if (b->n_steps != c->T || b->n_global_state != n * d->n_global_state ||
            b->n_logp != n * c->A || b->n_value != n * c->A || b->n_reward != n * c->A ||
            b->flag.len != n || b->n_mask != n * c->A * c->F * c->W ||
            b->n_action != n * c->A * c->F || b->n_bootstrap_value > truncated_max ||
            b->n_last_value != b->n_env * c->A) {
            return false;
        }
    }
    return e == c->E && d->n_actor_in == c->A * c->R * d->actor_sizes[0] &&
           d->n_critic_in == c->n_views * c->R * d->critic_sizes[0] && d->n_adam_m == c->P &&
           d->n_adam_v == c->P && d->after->n_params == c->P && d->n_advantage == c->R * c->A &&
           d->n_target == c->R * c->A && d->n_minibatch_of == d->epochs * c->E &&
           d->n_actor_sizes == d->n_actor_w + 1 && d->n_critic_sizes == d->n_critic_w + 1 &&
           d->n_actor_w < CHECK_LAYERS_MAX && d->n_critic_w < CHECK_LAYERS_MAX &&
           d->before->n_global_state_stats == 3 * (size_t)d->n_norm &&
           d->after->n_global_state_stats == 3 * (size_t)d->n_norm &&
           d->before->n_value_norm == 3 * c->A && d->after->n_value_norm == 3 * c->A;
}

static inline bool check_load(struct check *c)
{
    const Karma__UpdateDump *d = c->d;
    c->E = d->n_env, c->T = d->n_steps, c->R = c->E * c->T, c->A = d->n_agents;
    c->F = d->n_factors, c->K = d->n_choices, c->W = (c->K + 31) / 32;
    c->P = d->before->n_params;
    c->n_actors = d->n_actor_at;
    c->n_views = c->A / d->critic_sizes[d->n_critic_sizes - 1];
    if (!check_shapes(c)) {
        return false;
    }
    const size_t n = c->R * c->A;
    c->logp = check_new(c, n), c->value = check_new(c, n);
    c->reward = check_new(c, n), c->bootstrap_value = check_new(c, n);
    c->advantage = check_new(c, n), c->old = check_new(c, n), c->target = check_new(c, n);
    c->last_value = check_new(c, c->E * c->A);
    c->global_state = check_new(c, c->R * d->n_global_state);
    c->flag = ARENA_NEW(c->arena, c->R, uint8_t);
    c->mask = ARENA_NEW(c->arena, n * c->F * c->W, uint32_t);
    c->action = ARENA_NEW(c->arena, n * c->F, uint32_t);
    c->params = check_copy(c, d->before->params, c->P);
    c->m = check_copy(c, d->adam_m, c->P), c->v = check_copy(c, d->adam_v, c->P);
    c->grads = check_new(c, c->P);
    check_join_blocks(c);
    return true;
}

/* ---- networks: h_{l+1} = act(h_l W_l + b_l), the last layer without act ---- */

struct check_net {
    size_t n_layers, size; /* size: its parameters, with what lies between */
    const uint32_t *sizes;
    const uint64_t *w, *b;
    bool relu;
    double *h[CHECK_LAYERS_MAX + 1];  /* outputs of the layers for one input */
    double *dh[CHECK_LAYERS_MAX + 1]; /* d loss / d these */
};

static inline struct check_net check_net_new(struct check *c, bool actor)
{
    const Karma__UpdateDump *d = c->d;
    struct check_net n = {.n_layers = actor ? d->n_actor_w : d->n_critic_w,
                          .sizes = actor ? d->actor_sizes : d->critic_sizes,
                          .w = actor ? d->actor_w : d->critic_w,
                          .b = actor ? d->actor_b : d->critic_b,
                          .relu = strcmp(d->activation, "relu") == 0};
    /* actors lie one behind the other, the critic stands last */
    n.size = actor ? d->critic_at / c->n_actors : c->P - d->critic_at;
    for (size_t l = 0; l <= n.n_layers; l++) {
        n.h[l] = check_new(c, n.sizes[l]);
        n.dh[l] = check_new(c, n.sizes[l]);
    }
    return n;
}

static inline double check_act(const struct check_net *n, double x)
{
    return n->relu ? (x > 0 ? x : 0) : tanh(x);
}

/* act'(x) by y = act(x) */
static inline double check_act_slope(const struct check_net *n, double y)
{
    return n->relu ? (y > 0 ? 1 : 0) : 1 - y * y;
}

/* params: of this network. Returns the outputs. */
static inline const double *check_forward(struct check_net *n, const double *params, const float *x)
{
    check_append(n->h[0], x, n->sizes[0]);
    for (size_t l = 0; l < n->n_layers; l++) {
        const size_t rows = n->sizes[l], columns = n->sizes[l + 1];
        double *y = n->h[l + 1];
        memcpy(y, params + n->b[l], columns * sizeof *y);
        for (size_t i = 0; i < rows; i++) {
            const double *w = params + n->w[l] + i * columns;
            for (size_t j = 0; j < columns; j++) {
                y[j] += n->h[l][i] * w[j];
            }
        }
        for (size_t j = 0; j < columns && l + 1 < n->n_layers; j++) {
            y[j] = check_act(n, y[j]);
        }
    }
    return n->h[n->n_layers];
}

/* grads += d loss / d params; dh of the last layer holds d loss / d outputs. */
static inline void check_backward(struct check_net *n, double *grads, const double *params)
{
    for (size_t l = n->n_layers; l-- > 0;) {
        const size_t rows = n->sizes[l], columns = n->sizes[l + 1];
        double *dy = n->dh[l + 1];
        for (size_t j = 0; j < columns; j++) {
            dy[j] *= l + 1 < n->n_layers ? check_act_slope(n, n->h[l + 1][j]) : 1;
            grads[n->b[l] + j] += dy[j];
        }
        for (size_t i = 0; i < rows; i++) {
            const double *w = params + n->w[l] + i * columns;
            double *dw = grads + n->w[l] + i * columns;
            double dx = 0;
            for (size_t j = 0; j < columns; j++) {
                dw[j] += n->h[l][i] * dy[j];
                dx += w[j] * dy[j];
            }
            n->dh[l][i] = dx;
        }
    }
}

static inline const float *check_actor_input(const struct check *c, size_t r, size_t a)
{
    return c->d->actor_in + (a * c->R + r) * c->d->actor_sizes[0];
}

static inline const float *check_critic_input(const struct check *c, size_t r, size_t view)
{
    return c->d->critic_in + (view * c->R + r) * c->d->critic_sizes[0];
}

static inline double *check_actor_params(const struct check *c, double *of, size_t a)
{
    return of + c->d->actor_at[c->n_actors == 1 ? 0 : a];
}

/* ---- the policy: for each factor a softmax over the allowed choices ---- */

static inline bool check_allowed(const uint32_t *mask, size_t k)
{
    return (mask[k / 32] >> (k % 32)) & 1;
}

/* What one agent did in one row, under some logits. */
struct check_choice {
    double logp, entropy;   /* sums over the factors */
    double *p, *h;          /* (F, K) probabilities, (F) entropies */
    const uint32_t *mask;   /* (F, W) */
    const uint32_t *action; /* (F) */
    bool had_a_choice;      /* some factor had more than one allowed choice */
};

static inline void check_factor(const struct check *c, struct check_choice *s, const double *z,
                                size_t f)
{
    const uint32_t *mask = s->mask + f * c->W;
    double *p = s->p + f * c->K;
    double sum = 0;
    size_t n_allowed = 0;
    for (size_t k = 0; k < c->K; k++) {
        p[k] = check_allowed(mask, k) ? exp(z[k]) : 0;
        n_allowed += check_allowed(mask, k);
        sum += p[k];
    }
    s->h[f] = 0;
    for (size_t k = 0; k < c->K; k++) {
        p[k] /= sum;
        s->h[f] -= p[k] > 0 ? p[k] * log(p[k]) : 0;
    }
    s->logp += log(p[s->action[f]]);
    s->entropy += s->h[f];
    s->had_a_choice = s->had_a_choice || n_allowed > 1;
}

static inline void check_choose(const struct check *c, struct check_choice *s, const double *logits,
                                size_t r, size_t a)
{
    s->mask = c->mask + (r * c->A + a) * c->F * c->W;
    s->action = c->action + (r * c->A + a) * c->F;
    s->logp = s->entropy = 0;
    s->had_a_choice = false;
    for (size_t f = 0; f < c->F; f++) {
        check_factor(c, s, logits + f * c->K, f);
    }
}

static inline struct check_choice check_choice_new(struct check *c)
{
    return (struct check_choice){.p = check_new(c, c->F * c->K), .h = check_new(c, c->F)};
}

/* ---- before the update: what the workers wrote down ---- */

static inline void check_acting(struct check *c)
{
    struct check_net actor = check_net_new(c, true);
    struct check_choice s = check_choice_new(c);
    struct check_worst w = {0};
    for (size_t r = 0; r < c->R; r++) {
        for (size_t a = 0; a < c->A; a++) {
            const double *p = check_actor_params(c, c->params, a);
            check_choose(c, &s, check_forward(&actor, p, check_actor_input(c, r, a)), r, a);
            check_note(&w, s.logp, c->logp[r * c->A + a]);
        }
    }
    check_settle(c, "log-probabilities of the actions", w, check_tolerance_logp);
}

/* Mean and standard deviation by which values of agent a are normalised; value_norm is (3, n):
 * weight, mean, variance, of which n are used. */
struct check_scale {
    double mean, sigma;
};

static inline struct check_scale check_scale_of(const struct check *c, const double *value_norm,
                                                size_t a)
{
    const size_t n = c->n_views == 1 ? c->A : 1, i = c->n_views == 1 ? a : 0;
    const double sigma = value_norm[i] > 0 ? sqrt(value_norm[2 * n + i]) : 1;
    return (struct check_scale){value_norm[n + i], fmax(sigma, c->d->value_sigma_min)};
}

static inline void check_values(struct check *c)
{
    struct check_net critic = check_net_new(c, false);
    struct check_worst w = {0};
    for (size_t view = 0; view < c->n_views; view++) {
        for (size_t r = 0; r < c->R; r++) {
            const double *v =
                check_forward(&critic, c->params + c->d->critic_at, check_critic_input(c, r, view));
            for (size_t i = 0; i < c->A / c->n_views; i++) {
                const size_t a = view + i;
                const struct check_scale s = check_scale_of(c, c->d->before->value_norm, a);
                check_note(&w, v[i] * s.sigma + s.mean, c->value[r * c->A + a]);
            }
        }
    }
    check_settle(c, "values of the states", w, check_tolerance_value);
}

/* ---- advantages, by their definition: A_t = sum over k of (gamma lambda)^k delta_{t+k}, up to the
 * end of the episode or of the block ---- */

static inline double check_delta(const struct check *c, size_t e, size_t t, size_t a)
{
    const size_t r = e * c->T + t, i = r * c->A + a;
    double next = 0; /* terminated */
    if (c->flag[r] == 2) {
        next = c->bootstrap_value[i];
    } else if (c->flag[r] == 0) {
        next = t + 1 < c->T ? c->value[i + c->A] : c->last_value[e * c->A + a];
    }
    return c->reward[i] + c->d->gamma * next - c->value[i];
}

static inline double check_advantage(const struct check *c, size_t e, size_t t, size_t a)
{
    double sum = 0, weight = 1;
    for (size_t k = t; k < c->T; k++) {
        sum += weight * check_delta(c, e, k, a);
        weight *= c->d->gamma * c->d->gae_lambda;
        if (c->flag[e * c->T + k] != 0) {
            break;
        }
    }
    return sum;
}

/* Less the mean over the group at the same step; environments of a group are neighbours. */
static inline double check_centred(const struct check *c, size_t r, size_t a)
{
    const size_t group = c->d->has_group ? c->d->group : 1;
    const size_t e = r / c->T, t = r % c->T, first = e - e % group;
    double sum = 0;
    for (size_t k = first; k < first + group; k++) {
        sum += check_advantage(c, k, t, a);
    }
    return group == 1 ? check_advantage(c, e, t, a) : check_advantage(c, e, t, a) - sum / group;
}

static inline void check_returns(struct check *c)
{
    struct check_worst advantage = {0}, target = {0};
    for (size_t r = 0; r < c->R; r++) {
        for (size_t a = 0; a < c->A; a++) {
            const size_t i = r * c->A + a;
            c->target[i] = check_advantage(c, r / c->T, r % c->T, a) + c->value[i];
            c->advantage[i] = check_centred(c, r, a);
            check_note(&advantage, c->advantage[i], (double)c->d->advantage[i]);
            check_note(&target, c->target[i], (double)c->d->target[i]);
        }
    }
    check_settle(c, "advantages", advantage, check_tolerance_returns);
    check_settle(c, "returns", target, check_tolerance_returns);
}

/* ---- normalised for the epochs ---- */

static inline bool check_had_choice(const struct check *c, size_t r, size_t a)
{
    for (size_t f = 0; f < c->F; f++) {
        size_t n = 0;
        for (size_t k = 0; k < c->K; k++) {
            n += check_allowed(c->mask + ((r * c->A + a) * c->F + f) * c->W, k);
        }
        if (n > 1) {
            return true;
        }
    }
    return false;
}

/* Per agent, over the samples in which it had a choice. */
static inline void check_normalise_advantages(struct check *c)
{
    for (size_t a = 0; a < c->A; a++) {
        double n = 0, mean = 0, var = 0;
        for (size_t r = 0; r < c->R; r++) {
            const double w = check_had_choice(c, r, a);
            n += w;
            mean += w * c->advantage[r * c->A + a];
        }
        mean = n > 0 ? mean / n : 0;
        for (size_t r = 0; r < c->R; r++) {
            const double x = c->advantage[r * c->A + a] - mean;
            var += check_had_choice(c, r, a) * x * x;
        }
        var = n > 0 ? var / n : 0;
        for (size_t r = 0; r < c->R; r++) {
            double *x = &c->advantage[r * c->A + a];
            *x = (*x - mean) / (sqrt(var) + c->d->advantage_eps);
        }
    }
}

/* First and second moment of the returns of one output: one agent's, or everybody's. */
static inline void check_moments(const struct check *c, size_t output, double *n, double *first,
                                 double *second)
{
    *n = *first = *second = 0;
    for (size_t i = 0; i < c->R * c->A; i++) {
        if (c->n_views == 1 && i % c->A != output) {
            continue;
        }
        *n += 1;
        *first += (c->target[i] - *first) / *n;
        *second += (c->target[i] * c->target[i] - *second) / *n;
    }
}

/* PopArt: moments are averages with memory beta, divided by the weight seen so far (or the moments
 * of all returns ever seen); the last layer is rescaled so that no value changes. */
static inline void check_popart(struct check *c, double *value_norm)
{
    const Karma__UpdateDump *d = c->d;
    const size_t n = c->n_views == 1 ? c->A : 1, last = d->n_critic_w - 1;
    double *W = c->params + d->critic_at + d->critic_w[last];
    double *b = c->params + d->critic_at + d->critic_b[last];
    for (size_t i = 0; i < n; i++) {
        double *weight = &value_norm[i], *mean = &value_norm[n + i], *var = &value_norm[2 * n + i];
        const struct check_scale before = check_scale_of(c, value_norm, i);
        double count, first, second;
        check_moments(c, i, &count, &first, &second);
        const double kept = d->value_beta > 0 ? d->value_beta * *weight : *weight;
        const double added = d->value_beta > 0 ? 1 - d->value_beta : count;
        first = (kept * *mean + added * first) / (kept + added);
        second = (kept * (*var + *mean * *mean) + added * second) / (kept + added);
        *weight = kept + added;
        *mean = first;
        *var = second - first * first;
        const struct check_scale after = check_scale_of(c, value_norm, i);
        for (size_t k = 0; k < d->critic_sizes[last]; k++) {
            W[k * n + i] *= before.sigma / after.sigma;
        }
        b[i] = (before.sigma * b[i] + before.mean - after.mean) / after.sigma;
    }
}

static inline void check_normalise_values(struct check *c)
{
    static const char *const names[] = {"returns: weight", "returns: mean", "returns: variance"};
    const size_t n = c->n_views == 1 ? c->A : 1;
    double *value_norm = check_new(c, 3 * c->A);
    memcpy(value_norm, c->d->before->value_norm, 3 * c->A * sizeof *value_norm);
    check_popart(c, value_norm);
    for (size_t part = 0; part < 3; part++) {
        struct check_worst w = {0};
        for (size_t i = part * n; i < (part + 1) * n; i++) {
            check_note(&w, value_norm[i], c->d->after->value_norm[i]);
        }
        check_settle(c, names[part], w, check_tolerance_returns);
    }
    for (size_t i = 0; i < c->R * c->A; i++) {
        const struct check_scale s = check_scale_of(c, value_norm, i % c->A);
        c->old[i] = (c->value[i] - s.mean) / s.sigma;
        c->target[i] = (c->target[i] - s.mean) / s.sigma;
    }
}

/* global_state_stats (3, N) count, mean, sum of squared deviations: those of the batch join (Chan,
 * Golub, LeVeque 1979). */
static inline void check_row_statistics(struct check *c)
{
    const Karma__UpdateDump *d = c->d;
    const size_t N = d->n_norm;
    const double *before = d->before->global_state_stats, *after = d->after->global_state_stats;
    struct check_worst count = {0}, mean = {0}, m2 = {0};
    for (size_t k = 0; k < N; k++) {
        double sum = 0, squares = 0;
        const double n = (double)c->R, n0 = before[k];
        for (size_t r = 0; r < c->R; r++) {
            sum += c->global_state[r * d->n_global_state + k];
        }
        for (size_t r = 0; r < c->R; r++) {
            const double x = c->global_state[r * d->n_global_state + k] - sum / n;
            squares += x * x;
        }
        const double delta = sum / n - before[N + k];
        const double spread = after[2 * N + k] > 0 ? after[2 * N + k] : 1;
        check_note(&count, n0 + n, after[k]);
        check_note(&mean, (n0 * before[N + k] + sum) / (n0 + n) / sqrt(spread / after[k]),
                   after[N + k] / sqrt(spread / after[k]));
        check_note(&m2, (before[2 * N + k] + squares + delta * delta * n0 * n / (n0 + n)) / spread,
                   after[2 * N + k] / spread);
    }
    check_settle(c, "rows: how many", count, 0);
    check_settle(c, "rows: means, in standard deviations", mean, check_tolerance_statistics);
    check_settle(c, "rows: squared deviations, relative", m2, check_tolerance_statistics);
}

/* ---- one minibatch ---- */

/* Sums over the samples of a minibatch; means over the minibatches of the update. */
struct check_sums {
    double *weight; /* (A) samples with a choice */
    double policy, entropy, kl, clipped;
    double value, n_values;
};
struct check_means {
    double policy, value, entropy, kl, clipped, grad_norm;
    double n;
};

static inline void check_policy_sample(struct check *c, struct check_net *actor,
                                       struct check_choice *s, struct check_sums *sums, size_t r,
                                       size_t a)
{
    const Karma__UpdateDump *d = c->d;
    const double *params = check_actor_params(c, c->params, a);
    check_choose(c, s, check_forward(actor, params, check_actor_input(c, r, a)), r, a);
    if (!s->had_a_choice) {
        return;
    }
    const double advantage = c->advantage[r * c->A + a];
    const double log_ratio = s->logp - c->logp[r * c->A + a], ratio = exp(log_ratio);
    const double cut = fmin(fmax(ratio, 1 - d->clip), 1 + d->clip);
    const bool is_cut = cut * advantage < ratio * advantage;
    sums->weight[a] += 1;
    sums->policy -= is_cut ? cut * advantage : ratio * advantage;
    sums->entropy += s->entropy;
    sums->kl += ratio - 1 - log_ratio;
    sums->clipped += fabs(ratio - 1) > d->clip;
    /* d ratio / d logp = ratio; d logp / d z_k = [k chosen] - p_k; d H / d z_k = -p_k (log p_k + H)
     */
    const double by_logp = is_cut ? 0 : -ratio * advantage;
    for (size_t i = 0; i < c->F * c->K; i++) {
        const size_t f = i / c->K;
        const double p = s->p[i], chosen = s->action[f] == i % c->K;
        const double dH = p > 0 ? -p * (log(p) + s->h[f]) : 0;
        actor->dh[actor->n_layers][i] = by_logp * (chosen - p) - d->entropy * dH;
    }
    check_backward(actor, check_actor_params(c, c->grads, a), params);
}

static inline double check_huber(double x, double delta)
{
    return fabs(x) <= delta ? x * x / 2 : delta * (fabs(x) - delta / 2);
}

static inline double check_huber_slope(double x, double delta)
{
    return fmin(fmax(x, -delta), delta);
}

static inline void check_value_sample(struct check *c, struct check_net *critic,
                                      struct check_sums *sums, size_t r, size_t view)
{
    const Karma__UpdateDump *d = c->d;
    const double *params = c->params + d->critic_at;
    const double *v = check_forward(critic, params, check_critic_input(c, r, view));
    for (size_t i = 0; i < c->A / c->n_views; i++) {
        const size_t at = r * c->A + view + i;
        const double old = c->old[at], target = c->target[at];
        const bool is_cut = fabs(v[i] - old) > d->value_clip;
        const double cut = v[i] > old ? old + d->value_clip : old - d->value_clip;
        const double loss = check_huber(v[i] - target, d->huber_delta);
        const double loss_cut = is_cut ? check_huber(cut - target, d->huber_delta) : loss;
        sums->value += fmax(loss, loss_cut);
        sums->n_values += 1;
        /* The value that was cut does not depend on v. */
        critic->dh[critic->n_layers][i] =
            loss_cut > loss ? 0 : check_huber_slope(v[i] - target, d->huber_delta);
    }
    check_backward(critic, c->grads + d->critic_at, params);
}

/* Sums become means, the gradient is cut to the longest allowed, Adam steps. Returns the length
 * before the cut. */
static inline double check_step(struct check *c, size_t at, size_t size, double divisor,
                                uint64_t step)
{
    const Karma__UpdateDump *d = c->d;
    double norm = 0;
    for (size_t i = at; i < at + size; i++) {
        c->grads[i] /= divisor > 0 ? divisor : 1;
        norm += c->grads[i] * c->grads[i];
    }
    norm = sqrt(norm);
    const double cut = d->grad_norm > 0 && norm > d->grad_norm ? d->grad_norm / norm : 1;
    const double m_seen = 1 - pow(d->adam_beta1, (double)step);
    const double v_seen = 1 - pow(d->adam_beta2, (double)step);
    for (size_t i = at; i < at + size; i++) {
        const double g = c->grads[i] * cut;
        c->m[i] = d->adam_beta1 * c->m[i] + (1 - d->adam_beta1) * g;
        c->v[i] = d->adam_beta2 * c->v[i] + (1 - d->adam_beta2) * g * g;
        c->params[i] -= d->lr * (c->m[i] / m_seen) / (sqrt(c->v[i] / v_seen) + d->adam_eps);
    }
    return norm;
}

static inline void check_steps(struct check *c, const struct check_net *actor,
                               const struct check_net *critic, const struct check_sums *sums,
                               struct check_means *means)
{
    const uint64_t step = (uint64_t)means->n + 1;
    double weight = 0, norm;
    for (size_t a = 0; a < c->A; a++) {
        weight += sums->weight[a];
    }
    norm = check_step(c, c->d->critic_at, critic->size, sums->n_values, c->d->adam_t_critic + step);
    for (size_t i = 0; i < c->n_actors; i++) {
        norm += check_step(c, c->d->actor_at[i], actor->size,
                           c->n_actors == 1 ? weight : sums->weight[i], c->d->adam_t_actor + step);
    }
    weight = weight > 0 ? weight : 1;
    means->policy += sums->policy / weight;
    means->entropy += sums->entropy / weight;
    means->kl += sums->kl / weight;
    means->clipped += sums->clipped / weight;
    means->value += sums->value / sums->n_values;
    means->grad_norm += norm / (double)(c->n_actors + 1);
    means->n += 1;
}

static inline void check_epochs(struct check *c, struct check_means *means)
{
    const Karma__UpdateDump *d = c->d;
    struct check_net actor = check_net_new(c, true), critic = check_net_new(c, false);
    struct check_choice s = check_choice_new(c);
    struct check_sums sums = {.weight = check_new(c, c->A)};
    for (size_t i = 0; i < (size_t)d->epochs * d->minibatches; i++) {
        const uint32_t *minibatch_of = d->minibatch_of + i / d->minibatches * c->E;
        double *weight = sums.weight;
        memset(weight, 0, c->A * sizeof *weight);
        memset(c->grads, 0, c->P * sizeof *c->grads);
        sums = (struct check_sums){.weight = weight};
        for (size_t r = 0; r < c->R; r++) {
            for (size_t a = 0; a < c->A && minibatch_of[r / c->T] == i % d->minibatches; a++) {
                check_policy_sample(c, &actor, &s, &sums, r, a);
            }
            for (size_t v = 0; v < c->n_views && minibatch_of[r / c->T] == i % d->minibatches;
                 v++) {
                check_value_sample(c, &critic, &sums, r, v);
            }
        }
        check_steps(c, &actor, &critic, &sums, means);
    }
}

/* ---- the whole update ---- */

/* Where was it: over the parameters of one kind. */
static inline void check_movement(struct check *c, const char *what, size_t begin, size_t end)
{
    struct check_worst w = {0};
    for (size_t i = begin; i < end; i++) {
        const double before = (double)c->d->before->params[i];
        check_note(&w, c->params[i] - before, (double)c->d->after->params[i] - before);
    }
    check_settle(c, what, w, check_tolerance_params);
}

static inline void check_means_of(struct check *c, const struct check_means *m)
{
    const Karma__UpdateDump *d = c->d;
    check_scalar(c, "policy loss", m->policy / m->n, d->policy_loss, 1);
    check_scalar(c, "value loss", m->value / m->n, d->value_loss, d->value_loss);
    check_scalar(c, "entropy", m->entropy / m->n, d->entropy_mean, d->entropy_mean);
    check_scalar(c, "KL divergence", m->kl / m->n, d->kl, 1);
    check_scalar(c, "share of cut ratios", m->clipped / m->n, d->clip_fraction, 1);
    check_scalar(c, "length of the gradients", m->grad_norm / m->n, d->grad_norm_mean,
                 d->grad_norm_mean);
}

/* Minibatches of an epoch differ by one environment at most. */
static inline void check_minibatches(struct check *c)
{
    struct check_worst w = {.size = 1};
    for (size_t epoch = 0; epoch < c->d->epochs; epoch++) {
        for (size_t minibatch = 0; minibatch < c->d->minibatches; minibatch++) {
            double n = 0;
            for (size_t e = 0; e < c->E; e++) {
                n += c->d->minibatch_of[epoch * c->E + e] == minibatch;
            }
            check_note(&w, n, (double)c->E / c->d->minibatches);
        }
    }
    w.size = 1;
    check_settle(c, "environments of a minibatch", w, 1 - 1e-9);
}

/* Numbers that do not agree; 0 is a dump that is right. -1: its arrays do not fit its shapes. */
static inline int check_update(const Karma__UpdateDump *d, struct arena *arena, FILE *out)
{
    struct check c = {.d = d, .arena = arena, .out = out};
    struct check_means means = {0};
    if (!check_load(&c)) {
        return -1;
    }
    check_acting(&c);
    check_values(&c);
    check_returns(&c);
    check_normalise_advantages(&c);
    check_normalise_values(&c);
    check_row_statistics(&c);
    check_minibatches(&c);
    check_epochs(&c, &means);
    check_means_of(&c, &means);
    check_movement(&c, "movement of the actors' parameters", 0, d->critic_at);
    check_movement(&c, "movement of the critic's parameters", d->critic_at, c.P);
    return c.failed;
}

#endif
