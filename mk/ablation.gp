# gnuplot arms.gp   writes arms.svg and arms.png
set datafile separator comma
set datafile columnheaders
set encoding utf8
set border 3 lw 1 lc rgb '#404040'
set tics nomirror out
set grid xtics ytics lc rgb '#d8d8d8' lw 1 dt 1
do for [format in 'svg png'] {
if (format eq 'svg') {
    set terminal svg size 800,560 font 'Arial,13' background 'white'
} else {
    set terminal pngcairo size 1600,1120 font 'Arial,13' fontscale 2 linewidth 2 pointscale 2
}
set output 'arms.'.format
set xlabel 'difference in SLO attainment at equal CPU (share)'
set ylabel 'arm (name)'
set xtics 0.04
set offsets graph 0, 0, 0.7, 0.7
set key outside top center vertical maxrows 2 Left reverse samplen 2
set arrow from first 0, graph 0 to first 0, graph 1 nohead lc rgb '#404040'
plot 'arms.csv' using (strcol('rule') eq 'ff' ? column('gap') : NaN):(column('position') + 0.15):'lo':'hi':ytic(2) \
         with xerrorbars pt 7 ps 0.7 lw 1.4 lc rgb '#009E73' title 'policy minus ff without masks', \
     'arms.csv' using (strcol('rule') eq 'masks' ? column('gap') : NaN):(column('position') - 0.15):'lo':'hi' \
         with xerrorbars pt 5 ps 0.6 lw 1.4 lc rgb '#56B4E9' title 'policy minus ff under the same masks'
unset output
}
