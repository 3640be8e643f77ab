/* The quantile of the normal distribution, and the formulas of bounds.h. */
#include "core/shield/bounds.h"

#include "core/base/fmath.h"

#include <math.h>

static double polynomial(const double *c, int n, double x)
{
    double y = 0.0;
    for (int i = 0; i < n; i++) {
        y = y * x + c[i];
    }
    return y;
}

/* Upper quantile: P(Z > z) = tail, tail in (0, 1/2]. Rational approximation of P. J. Acklam (2003),
 * relative error below 1.2e-9. */
static double normal_upper(double tail)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01, 1.0};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00, 1.0};
    const double centre = 0.02425;
    if (tail < centre) {
        const double q = sqrt(-2.0 * fm_log(tail));
        return -polynomial(c, 6, q) / polynomial(d, 5, q);
    }
    const double q = 0.5 - tail, r = q * q;
    return q * polynomial(a, 6, r) / polynomial(b, 6, r);
}

void bound_level_init(struct bound_level *l, double confidence)
{
    const double each = (1.0 - confidence) / 3.0;
    *l = (struct bound_level){
        .z = normal_upper(each), .z_path = normal_upper(each / 2.0), .log_path = -fm_log(each)};
}

double bound_rate(double rate, double seconds, double scv, const struct bound_level *l)
{
    const double count = rate * seconds, half = scv * l->z * l->z / 2.0;
    return (count + half + l->z * sqrt(scv * (count + half / 2.0))) / seconds;
}

double bound_burst(const struct bound_queue *q, const struct bound_level *l)
{
    const double variance = q->arrival_scv * q->arrivals + q->service_scv * q->capacity;
    const double spare = q->capacity - q->arrivals;
    const double any = l->z_path * sqrt(variance * q->lag_s);
    const double stable = spare > 0.0 ? variance * l->log_path / (2.0 * spare) : HUGE_VAL;
    return stable < any ? stable : any;
}

double bound_backlog(const struct bound_queue *q, const struct bound_level *l)
{
    const double excess = q->arrivals - q->capacity;
    return q->waiting + (excess > 0.0 ? q->lag_s * excess : 0.0) + bound_burst(q, l);
}
