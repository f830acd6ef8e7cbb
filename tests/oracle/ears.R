#!/usr/bin/env Rscript
# What R's surveillance::earsC says of the daily counts that our EARS is tested on.
#
#   apt-get install r-cran-surveillance
#   Rscript tests/oracle/ears.R            # writes tests/fixtures/hotspots/ears.json
#   Rscript tests/oracle/ears.R --check    # fails where the frozen results differ
#
# Counts are made from a seed. For each series, method and floor on sigma the fixture holds the upper
# bound and the alarm of every day that the method can assess (null where earsC has NA), and the
# statistic that earsC's bounds imply: two levels of alpha give mean and sigma of the baseline.

suppressPackageStartupMessages(library(surveillance))

self <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
path <- file.path(dirname(normalizePath(self)), "..", "fixtures", "hotspots", "ears.json")

set.seed(1996, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
n <- 60
series <- list(
  steady = rpois(n, 20),
  week = rpois(n, rep(c(30, 28, 27, 29, 33, 12, 8), length.out = n)),
  quiet = rpois(n, 0.2),
  outbreak = rpois(n, 4) + c(rep(0, 40), 3, 8, 15, 22, 25, 20, 12, 6, 2, rep(0, 11)),
  burst = c(rep(0, 30), 62, rep(0, 29)),
  constant = c(rep(5, 25), 9, rep(5, 34))
)

bounds <- function(counts, method, floor, alpha) {
  sts <- sts(observed = matrix(counts, ncol = 1))
  found <- earsC(sts, control = list(method = method, minSigma = floor, alpha = alpha))
  list(upper = as.vector(upperbound(found)), alarm = as.vector(alarms(found)))
}

# (day - mean) / sigma out of the bounds at two levels: U = mean + z * sigma.
deviation <- function(counts, method, floor) {
  alphas <- c(0.001, 0.2)
  u <- lapply(alphas, function(alpha) bounds(counts, method, floor, alpha)$upper)
  z <- qnorm(1 - alphas)
  sigma <- (u[[1]] - u[[2]]) / (z[1] - z[2])
  mean <- u[[1]] - z[1] * sigma
  (tail(counts, length(mean)) - mean) / sigma
}

statistic <- function(counts, method, floor) {
  if (method != "C3") return(deviation(counts, method, floor))
  above <- pmax(0, deviation(counts, "C2", floor) - 1)
  last <- length(above)
  above[3:last] + above[2:(last - 1)] + above[1:(last - 2)]
}

# Seventeen digits: what is read again is the same number.
number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
list_of <- function(x) paste0("[", paste(x, collapse = ","), "]")

alpha_of <- c(C1 = 0.001, C2 = 0.001, C3 = 0.025)
rows <- c()
for (name in names(series)) for (method in names(alpha_of)) for (floor in c(0, 0.5, 1.5)) {
  counts <- series[[name]]
  found <- bounds(counts, method, floor, alpha_of[[method]])
  # Without a floor, days after a week of equal counts have no sigma that two bounds could tell.
  implied <- if (floor > 0) list_of(number(statistic(counts, method, floor))) else "null"
  rows <- c(rows, paste0(
    '{"series":"', name, '","method":"', method, '","sigma_floor":', floor,
    ',"z_alpha":', number(qnorm(1 - alpha_of[[method]])),
    ',"counts":', list_of(counts), ',"upper":', list_of(number(found$upper)),
    ',"alarm":', list_of(ifelse(is.na(found$alarm), "null", ifelse(found$alarm == 1, "true", "false"))),
    ',"statistic":', implied, "}"
  ))
}
text <- paste0("[\n", paste(rows, collapse = ",\n"), "\n]\n")
cat(length(rows), "rows, surveillance", as.character(packageVersion("surveillance")), "\n")

# Alike to a few bits: another build of R may sum in another order.
alike <- function(a, b) {
  digits <- "-?[0-9]+([.][0-9]+)?(e[-+]?[0-9]+)?"
  numbers <- function(x) as.numeric(unlist(regmatches(x, gregexpr(digits, x))))
  a_n <- numbers(a)
  b_n <- numbers(b)
  identical(gsub(digits, "", a), gsub(digits, "", b)) && length(a_n) == length(b_n) &&
    all(abs(a_n - b_n) <= 1e-11 * pmax(1, abs(a_n)))
}
if (!("--check" %in% commandArgs(TRUE))) {
  cat(text, file = path)
} else if (!alike(paste0(paste(readLines(path), collapse = "\n"), "\n"), text)) {
  cat("surveillance differs from", path, "\n")
  quit(status = 1)
}
