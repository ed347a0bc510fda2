# Columns: true change, share called a regression, low, high (all %), cells. T: names of files.
array T[SERIES]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set xrange [LEFT:RIGHT]
set yrange [-2:102]
set xlabel "true change of work, %"
set ylabel "called a regression, % of cells"
set format x "%+g"
set arrow 1 from TOLERANCE, graph 0 to TOLERANCE, graph 1 nohead back linecolor rgb ink linewidth 1 dashtype 3
set label 1 "tolerance" at TOLERANCE, graph 0.97 left offset 0.6,0 textcolor rgb ink
set key above left vertical maxcols 1 reverse Left samplen 2.5
plot for [i = 0:SERIES - 1] DATA index i using 1:2:3:4 with yerrorlines linewidth 2 pointtype shape(i) pointsize 0.9 linecolor rgb colour(i) title T[i + 1]
set output
