//! What past closes expected, beside what has come since: how far the estimate could be trusted.

use crate::report::{Report, Scope, Source, column};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::close::settlement::PastClose;
use interline_domain::units::micro::Micro;
use interline_domain::units::money::{OutOfRange, Rate};

pub const REPORT: Report = Report {
    name: "back-test",
    title: words("兑换估计回测表", "Back-test"),
    scope: Scope::Programme,
    columns: &[
        column("close", "关账月", "Close"),
        column("open_points", "当时未兑积分", "Points open then"),
        column("expected", "当时预计兑换", "Expected then"),
        column("redeemed_since", "其后已兑换", "Redeemed since"),
        column("still_expected", "尚预计兑换", "Still expected"),
        column("known_now", "目前所知", "Known now"),
        column("ratio", "目前所知/当时预计", "Known now to expected then"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.state.urr.past.iter().map(|past| {
        let PastClose { close, open, to_come, since, still, .. } = past;
        let known = Micro::of_points(*since).plus(*still)?;
        let ratio = match to_come.is_positive() && !known.is_negative() {
            true => {
                Cell::Percent(Rate::from_scaled(known.share(Rate::SCALE, to_come.get())?.get())?.decimal().round_dp(4))
            }
            false => Cell::Empty,
        };
        Ok(vec![
            Cell::text(close),
            Cell::Points(*open),
            Cell::Points(to_come.points()?),
            Cell::Points(*since),
            Cell::Points(still.points()?),
            Cell::Points(known.points()?),
            ratio,
        ])
    });
    rows.collect()
}
