//! The page.
use crate::{cases::{Set, Case}, detectors::Kind, run::Said, score::*, trace::Truth};
pub fn page(judged: &[Judged<'_>], kinds: &[Kind], recorded: &[(&'static str, Truth, Vec<Said>)]) -> String {
    let mut s = String::new();
    for set in [Set::Tune, Set::Report, Set::Limit] {
        let js = of_set(judged, set);
        for (i,k) in kinds.iter().enumerate() {
            let x = Score::of(js.iter().copied(), i);
            s += &format!("{set:?} {} {}: hits {}/{} P {:.2} FA {} proc {} days {:.0} delay {:?} {:?} rate {:?} {:?}\n", k.family, k.name, x.hits, x.leaks, x.precision(), x.false_alarms, x.false_processes, x.healthy_days, x.delay(0,0.5), x.delay(1,0.5), crate::stats::quantile(&x.rate_errors,0.5), crate::stats::quantile(&x.last_rate_errors,0.5));
        }
        let mut fams: Vec<&str> = js.iter().map(|j| j.0.family).collect(); fams.dedup();
        for f in fams {
            let x = Score::of(js.iter().copied().filter(|j| j.0.family==f), 0);
            let m = Score::of(js.iter().copied().filter(|j| j.0.family==f), 1);
            s += &format!("  {f}: hits {}/{} (memwatch {}) FA {} in {} proc, {:.0} days; delay {:?} vs {:?}\n", x.hits, x.leaks, m.hits, x.false_alarms, x.false_processes, x.healthy_days, x.delay(0,0.5), m.delay(0,0.5));
            for j in js.iter().filter(|j| j.0.family==f) { let c: &Case=j.0; let o=&j.1.said[0];
              let bad = match c.truth { Truth::Leak{..}=>o.detected_s.is_none(), _=>false } || o.false_alarms>0;
              if bad { s += &format!("     {:?} seed {} base {:?} promo {:.3} noise {:.2} watch {:.0}: fa {} det {:?} end {:?}\n", c.truth, c.seed, c.program.parts, c.program.promotion()/1048576., c.program.noise/1048576., c.watch_s, o.false_alarms, o.detected_s, j.1.end); }
            }
        }
        s += &format!("beside {:?} forecasts {:?}\n", beside(&js,0,1), forecasts(&js));
    }
    for (n,t,said) in recorded { s += &format!("{n} {t:?}"); for (k,x) in kinds.iter().zip(said) { s+=&format!(" | {} {:?} {}", k.name, x.detected_s, x.false_alarms);} s.push('\n'); }
    s
}
