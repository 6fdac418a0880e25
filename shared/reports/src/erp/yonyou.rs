//! Vouchers as Yonyou U8's ledger tool imports them: text in GB 18030, one row
//! per voucher line, the rows of a voucher together.

use super::VOUCHER_WORD;
use crate::sheet::neutral;
use encoding_rs::GB18030;
use interline_domain::close::books::Voucher;
use interline_domain::units::currency::Currency;

/// The row by which U8 knows what the file is.
pub const FIRST_ROW: &str = "填制凭证,V800";
/// Bytes of each field, which U8 counts in its own encoding.
const NUMBER_MAX: usize = 30;
const SUMMARY_MAX: usize = 60;
const ACCOUNT_MAX: usize = 15;

/// Date, kind of voucher, number, attachments, summary, account, debit, credit.
/// A voucher is one by its date, kind and number.
pub fn text(currency: Currency, vouchers: &[&Voucher]) -> Vec<u8> {
    let mut text = format!("{FIRST_ROW}\r\n");
    for voucher in vouchers {
        let number = cut(&format!("{:04}", voucher.number), NUMBER_MAX);
        for line in &voucher.lines {
            let row = [
                voucher.date.to_string(),
                VOUCHER_WORD.to_owned(),
                number.clone(),
                "0".to_owned(),
                cut(&neutral(&line.summary), SUMMARY_MAX),
                cut(&line.account, ACCOUNT_MAX),
                currency.show(line.debit).to_string(),
                currency.show(line.credit).to_string(),
            ];
            text.push_str(&row.join(","));
            text.push_str("\r\n");
        }
    }
    GB18030.encode(&text).0.into_owned()
}

/// A field as U8 can read it: no separator or line end within, at most so many bytes.
fn cut(text: &str, most: usize) -> String {
    let mut field = String::new();
    let mut bytes = 0;
    for letter in text.chars() {
        let letter = match letter {
            ',' => '，',
            '"' => '\'',
            letter if letter.is_control() => ' ',
            letter => letter,
        };
        bytes += GB18030.encode(letter.encode_utf8(&mut [0; 4])).0.len();
        if bytes > most {
            break;
        }
        field.push(letter);
    }
    field
}
