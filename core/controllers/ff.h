/* Parameters of ff, the feed-forward staffing. What they do: ff.c. */
#ifndef KARMA_CONTROLLERS_FF_H
#define KARMA_CONTROLLERS_FF_H

/* Where it knows from what a pod can do and how often a request calls each service. */
enum ff_capacity { FF_CAPACITY_TOLD, FF_CAPACITY_MEASURED };

struct ff_params {
    double utilisation;   /* staffing never plans above this */
    double wait_share;    /* of latency_max a call may take at one service */
    double growth;        /* look-ahead: multiplies the trend of the entry rate */
    double down_s;        /* holds the largest plan of this long */
    int capacity;         /* enum ff_capacity */
    double *told_factors; /* (n_services, or none) on the capacities that it is told */
    int n_told_factors;
};

#endif
