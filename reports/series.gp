# Columns: % of the time measured, value. T: cells, then the name, then the unit.
array T[SERIES + 2]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set xrange [0:100]
set yrange [0:*]
set xlabel "time measured, %"
set ylabel T[SERIES + 1].", ".T[SERIES + 2]
if (PREFIXED) { set format y "%.0s %c" }
set key above left vertical maxcols 1 reverse Left samplen 2.5
plot for [i = 0:SERIES - 1] DATA index i using 1:2 with linespoints linewidth 2 pointtype shape(i) pointsize 0.6 pointinterval 8 linecolor rgb colour(i) title T[i + 1]
set output
